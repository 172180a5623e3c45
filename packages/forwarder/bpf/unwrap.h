// Incoming: a packet that belongs to a tunnel loses its headers and goes to the pod.

// Carries congestion over to the inner packet (RFC 6040, section 4.2). Not 0 when the packet must be dropped.
inlined int carry_congestion(struct __sk_buff *skb, u32 offset, u16 type)
{
	u8 bytes[2];
	const u8 inner = ecn_of(skb, offset, type);
	if ((type != swap16(ETH_P_IP) && type != swap16(ETH_P_IPV6)) || inner == 3)
		return 0;
	if (inner == 0 || bpf_skb_load_bytes(skb, offset, bytes, 2))
		return -1;
	if (type == swap16(ETH_P_IPV6)) {
		bytes[1] |= 0x30;
		return bpf_skb_store_bytes(skb, offset, bytes, 2, 0);
	}
	u16 before, after;
	__builtin_memcpy(&before, bytes, 2);
	bytes[1] |= 3;
	__builtin_memcpy(&after, bytes, 2);
	if (bpf_l3_csum_replace(skb, offset + 10, before, after, 2))
		return -1;
	return bpf_skb_store_bytes(skb, offset, bytes, 2, 0);
}

inlined int different(const u32 *a, const u32 *b)
{
	return (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);
}

// bpf_skb_adjust_room() leaves no less than an IP header behind the Ethernet header. Frames shorter than that are not of IP, and
// are padded as Ethernet does; the kernel pads none that still bear the marks of a wrap, but only packets of IP do.
inlined void pad(struct __sk_buff *skb, u32 inner, u32 payload)
{
	const u32 least = inner + sizeof(struct ethernet) + payload;
	if (skb->len < least)
		bpf_skb_change_tail(skb, least, 0);
}

// Takes away the `length` bytes between the outer Ethernet header and the inner one, and lets that take its place.
inlined long shrink(struct __sk_buff *skb, const struct ethernet *inner, u32 length, u64 flags)
{
	if (bpf_skb_adjust_room(skb, -(int)length, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO | flags))
		return -1;
	return bpf_skb_store_bytes(skb, 0, inner, sizeof(*inner), 0);
}

// Whether it is a packet of TCP, with or without VLAN tags, that begins with an Ethernet header at `offset`.
inlined int is_tcp(struct __sk_buff *skb, u32 offset, u16 type)
{
	u8 protocol;
	offset += sizeof(struct ethernet);
#pragma unroll
	for (int n = 0; n < MAX_TAGS; n++) {
		struct tagged tagged;
		if (type != swap16(ETH_P_8021Q) && type != swap16(ETH_P_8021AD))
			break;
		if (bpf_skb_load_bytes(skb, offset, &tagged, sizeof(tagged)))
			return 0;
		type = tagged.type;
		offset += sizeof(tagged);
	}
	if (type != swap16(ETH_P_IP) && type != swap16(ETH_P_IPV6))
		return 0;
	offset += type == swap16(ETH_P_IP) ? 9 : 6;
	return !bpf_skb_load_bytes(skb, offset, &protocol, 1) && protocol == PROTO_TCP;
}

// Datagrams that one call of an application made (UDP_SEGMENT, udp(7)) stay one frame on wires of software. Between the
// namespaces of one machine it still bears the marks of the sender's wrap, by which the pod's kernel would cut it as a tunnel's
// packet, that it is no more. Here it still is: the loopback device, which has no means for packets of tunnels, has it cut, and
// the pieces arrive there.
inlined int cut(struct __sk_buff *skb)
{
	const u8 loopback[12] = {};
	skb->tc_index = INDEX_CUT;
	return bpf_skb_store_bytes(skb, 0, loopback, sizeof(loopback), 0) ? TC_ACT_SHOT : bpf_redirect(LOOPBACK, 0);
}

// Puts an Ethernet header before a packet of a device that has none, as the rest of the way takes it.
inlined long add_ethernet(struct __sk_buff *skb, struct arrival *arrival)
{
	const struct ethernet ethernet = { .type = (u16)skb->protocol };
	arrival->inner += sizeof(ethernet);
	arrival->end += sizeof(ethernet);
	return bpf_skb_change_head(skb, sizeof(ethernet), 0) || bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0);
}

// `start`: offset of the packet, behind the Ethernet header if there is one. `index`: its traffic control index when it came.
inlined int unwrap(struct __sk_buff *skb, struct arrival *arrival, u32 start, u32 index)
{
	if (arrival->headless)
		return unknown(skb, arrival, TRUNCATED);
	struct incoming *in = bpf_map_lookup_elem(&incoming_map, &arrival->to);
	if (!in)
		return unknown(skb, arrival, UNKNOWN_IDENTIFIER);
	u32 pod = in->ifindex;
	struct traffic *traffic = bpf_map_lookup_elem(&traffic_map, &pod);
	const int labelled = arrival->to.kind == MPLS_OVER_ETHERNET;
	u32 device = skb->ifindex;
	const int elsewhere = in->uplink != device && !(pod & OF_THE_KERNEL);
	// No other node is behind the loopback device, but programs of this one are, and with IPv6 they may send from any address. Tunnels
	// from an address to itself are those by which the forwarder tries the programs.
	if (!labelled && device == LOOPBACK && index != INDEX_CUT && different(in->remote, arrival->to.local))
		return drop(traffic, RECEIVED, WRONG_SOURCE);
	// On another link than its own the same label may be another application's.
	if (labelled && wrong_sender(skb, in, elsewhere)) {
		drop(traffic, RECEIVED, WRONG_SOURCE);
		return elsewhere ? TC_ACT_UNSPEC : TC_ACT_SHOT;
	}
	if (!labelled && different(in->remote, arrival->source))
		return drop(traffic, RECEIVED, WRONG_SOURCE);
	// As Linux does; before the kernel's own tunnel devices it will itself. The loopback device has what was cut here.
	if (elsewhere && device != LOOPBACK && arrival->to.version == 4 && bpf_map_lookup_elem(&strict_map, &device))
		return drop(traffic, RECEIVED, WRONG_SOURCE);
	if (arrival->fragment)
		return drop(traffic, RECEIVED, FRAGMENTED);
	if (!skb->gso_size && arrival->end > skb->len)
		return drop(traffic, RECEIVED, TRUNCATED);
	if (arrival->malformed)
		return drop(traffic, RECEIVED, MALFORMED);
	// The kernel does not look at any of this, and says nothing of what has no room for an Ethernet header.
	if (pod & OF_THE_KERNEL)
		return arrival->inner + sizeof(struct ethernet) > skb->len ? drop(traffic, RECEIVED, TRUNCATED) : TC_ACT_UNSPEC;
	if ((skb->vlan_present && bpf_skb_vlan_pop(skb)) || (!start && add_ethernet(skb, arrival)))
		return drop(traffic, RECEIVED, UNSUPPORTED);
	const u32 offset = arrival->inner;
	// Ethernet pads short frames.
	if (!skb->gso_size && arrival->end && arrival->end < skb->len && bpf_skb_change_tail(skb, arrival->end, 0))
		return drop(traffic, RECEIVED, UNSUPPORTED);
	struct ethernet inner;
	if (bpf_skb_load_bytes(skb, offset, &inner, sizeof(inner)))
		return drop(traffic, RECEIVED, TRUNCATED);
	if (arrival->ecn == 3 && carry_congestion(skb, offset + sizeof(inner), inner.type))
		return drop(traffic, RECEIVED, CONGESTION);
	const u32 bytes = skb->len - offset;
	const u32 segments = skb->gso_segs;

	if (labelled) {
		pad(skb, offset, sizeof(struct ipv4));
		// Taken for MPLS, it cannot shrink. As the IP packet that it is not, it can: at the node's end.
		const u16 type = swap16(ETH_P_IP);
		if (bpf_skb_store_bytes(skb, 12, &type, sizeof(type), 0))
			return drop(traffic, RECEIVED, UNSUPPORTED);
		skb->mark = MARK_ARRIVED;
		count(traffic, RECEIVED, segments, bytes);
		return bpf_redirect(pod, BPF_F_INGRESS);
	}
	const int ipv4 = inner.type == swap16(ETH_P_IP), ipv6 = inner.type == swap16(ETH_P_IPV6);
	// What the kernel takes the packet for stays, unless it is told otherwise; with IPv4 it may become shorter.
	u64 flags = 0;
	if (arrival->to.version == 6 && !ipv6)
		flags = BPF_F_ADJ_ROOM_DECAP_L3_IPV4;
	else if (arrival->to.version == 4 && ipv6)
		flags = BPF_F_ADJ_ROOM_DECAP_L3_IPV6;
	pad(skb, offset, ipv6 ? sizeof(struct ipv6) : sizeof(struct ipv4));
	// What is to be cut into segments must not be cut as a tunnel's packet: a kernel that can be told so, is.
	const int gre = arrival->to.kind == GRE || arrival->to.kind == MPLS_OVER_GRE;
	const u64 layer4 = gre ? BPF_F_ADJ_ROOM_DECAP_L4_GRE : BPF_F_ADJ_ROOM_DECAP_L4_UDP;
	int known = ipv4 || ipv6;
	const int told = skb->gso_size && !shrink(skb, &inner, offset, flags | layer4);
	if (!told && skb->gso_size && arrival->ports[1] && !is_tcp(skb, offset, inner.type))
		return cut(skb);
	if (!told && shrink(skb, &inner, offset, flags)) {
		// A kernel older than all of these.
		known = 0;
		pad(skb, offset, sizeof(struct ipv6));
		if (!flags || shrink(skb, &inner, offset, 0))
			return drop(traffic, RECEIVED, UNSUPPORTED);
	}
	count(traffic, RECEIVED, segments, bytes);
	// Into the pod without the detour of a queue; only what the kernel takes for what it is, since it is not read again.
	if (known && in->elsewhere && !(inner.destination[0] & 1))
		return bpf_redirect_peer(pod, 0);
	return bpf_redirect(pod, 0);
}
