// Incoming: a packet at an uplink that belongs to a tunnel loses its headers and goes to the pod.

struct arrival {
	struct address to;
	u32 source[4];
	// UDP source and destination; 0 without.
	u16 ports[2];
	// Offset of the inner Ethernet header.
	u32 inner;
	// Offset at which the packet ends by its own account; 0 when it gives none.
	u32 end;
	u8 ecn;
	u8 fragment;
	u8 malformed;
	// It ends before its tunnel's identifier.
	u8 headless;
};

// Both return 0 when it may belong to a tunnel.
inlined int read_label(struct __sk_buff *skb, struct arrival *arrival, u8 kind, u32 offset)
{
	u32 label;
	if (bpf_skb_load_bytes(skb, offset, &label, sizeof(label)))
		return -1;
	label = swap32(label);
	// More labels below are another application's.
	if (!(label & MPLS_BOTTOM))
		return -1;
	arrival->to.kind = kind;
	arrival->to.identifier = label >> 12;
	arrival->inner = offset + sizeof(label);
	return 0;
}

inlined int headless(struct arrival *arrival, u8 kind)
{
	arrival->to.kind = kind;
	arrival->headless = 1;
	return 0;
}

// What it carries stands behind more headers than are followed, or in another fragment. Linux may find a tunnel's packet there.
inlined int obscure(struct arrival *arrival)
{
	arrival->fragment = 1;
	return headless(arrival, VXLAN);
}

inlined int read_tunnel_header(struct __sk_buff *skb, struct arrival *arrival, u8 protocol, u32 offset)
{
	if (protocol == PROTO_GRE) {
		struct gre gre;
		u32 key;
		if (bpf_skb_load_bytes(skb, offset, &gre, sizeof(gre)))
			return -1;
		if (gre.flags == 0 && gre.protocol == swap16(ETH_P_MPLS))
			return read_label(skb, arrival, MPLS_OVER_GRE, offset + sizeof(gre));
		if (gre.flags != swap16(GRE_KEY) || gre.protocol != swap16(ETH_P_TEB))
			return -1;
		if (bpf_skb_load_bytes(skb, offset + sizeof(gre), &key, sizeof(key)))
			return headless(arrival, GRE);
		arrival->to.kind = GRE;
		arrival->to.identifier = swap32(key);
		arrival->inner = offset + sizeof(gre) + sizeof(key);
		return 0;
	}
	struct udp udp;
	struct vxlan vxlan;
	if (protocol != PROTO_UDP || bpf_skb_load_bytes(skb, offset, &udp, sizeof(udp)))
		return -1;
	const u16 port = swap16(udp.destination);
	if (port != PORT_VXLAN && port != PORT_VXLAN_GPE && port != PORT_MPLS)
		return -1;
	arrival->ports[0] = udp.source;
	arrival->ports[1] = udp.destination;
	// Of a frame that the kernel has yet to cut into segments, lengths mean nothing.
	if (!skb->gso_size && offset + swap16(udp.length) != arrival->end)
		arrival->malformed = 1;
	offset += sizeof(udp);
	if (port == PORT_MPLS)
		return read_label(skb, arrival, MPLS_OVER_UDP, offset);
	if (bpf_skb_load_bytes(skb, offset, &vxlan, sizeof(vxlan)))
		return headless(arrival, port == PORT_VXLAN ? VXLAN : VXLAN_GPE);
	if (!(vxlan.flags & VXLAN_VNI))
		return -1;
	if (port == PORT_VXLAN_GPE) {
		const u8 wanted = VXLAN_VNI | VXLAN_NEXT;
		if ((vxlan.flags & (wanted | VXLAN_OAM)) != wanted || vxlan.next != GPE_ETHERNET)
			arrival->malformed = 1;
	}
	arrival->to.kind = port == PORT_VXLAN ? VXLAN : VXLAN_GPE;
	arrival->to.identifier = swap32(vxlan.vni) >> 8;
	arrival->inner = offset + sizeof(vxlan);
	return 0;
}

inlined int read_ipv4(struct __sk_buff *skb, struct arrival *arrival, u32 start)
{
	struct ipv4 ip;
	if (bpf_skb_load_bytes(skb, start, &ip, sizeof(ip)) || ip.version_length >> 4 != 4)
		return -1;
	const u32 length = (ip.version_length & 15) * 4;
	if (length < sizeof(ip) || (swap16(ip.fragment) & IPV4_OFFSET))
		return -1;
	arrival->fragment = (swap16(ip.fragment) & IPV4_MF) != 0;
	arrival->to.version = 4;
	arrival->to.local[0] = ip.destination;
	arrival->source[0] = ip.source;
	arrival->ecn = ip.tos & 3;
	arrival->end = start + swap16(ip.length);
	if (length == sizeof(ip) && fold(bpf_csum_diff(0, 0, &ip, sizeof(ip), 0)) != 0)
		arrival->malformed = 1;
	return read_tunnel_header(skb, arrival, ip.protocol, start + length);
}

inlined int read_ipv6(struct __sk_buff *skb, struct arrival *arrival, u32 start)
{
	struct ipv6 ip;
	if (bpf_skb_load_bytes(skb, start, &ip, sizeof(ip)) || swap32(ip.version_class_flow) >> 28 != 6)
		return -1;
	arrival->to.version = 6;
	__builtin_memcpy(arrival->to.local, ip.destination, 16);
	__builtin_memcpy(arrival->source, ip.source, 16);
	arrival->ecn = swap32(ip.version_class_flow) >> 20 & 3;
	arrival->end = start + sizeof(ip) + swap16(ip.length);
	u32 offset = start + sizeof(ip);
	u8 next = ip.next;
#pragma unroll
	for (int n = 0; n < MAX_EXTENSIONS; n++) {
		struct extension header;
		if (next != PROTO_HOP_BY_HOP && next != PROTO_ROUTING && next != PROTO_FRAGMENT && next != PROTO_OPTIONS)
			return read_tunnel_header(skb, arrival, next, offset);
		if (bpf_skb_load_bytes(skb, offset, &header, sizeof(header)))
			return obscure(arrival);
		if (next == PROTO_FRAGMENT) {
			if (swap16(header.fragment) & IPV6_OFFSET)
				return -1;
			arrival->fragment = 1;
			offset += sizeof(header);
		} else {
			offset += 8 + header.length * 8;
		}
		next = header.next;
	}
	return obscure(arrival);
}

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
	return bpf_skb_store_bytes(skb, 0, loopback, sizeof(loopback), 0) ? TC_ACT_SHOT : bpf_redirect(LOOPBACK, 0);
}

// Labels belong to a link: there the other node is known by its MAC addresses, as far as any is.
inlined int wrong_sender(struct __sk_buff *skb, const struct incoming *in, int elsewhere)
{
	struct ethernet ethernet;
	struct sender sender = { .device = skb->ifindex };
	if (!in->sender_known && !elsewhere)
		return 0;
	if (bpf_skb_load_bytes(skb, 0, &ethernet, sizeof(ethernet)))
		return 1;
	__builtin_memcpy(sender.remote, in->remote, sizeof(sender.remote));
	__builtin_memcpy(sender.mac, ethernet.source, sizeof(sender.mac));
	return !bpf_map_lookup_elem(&senders_map, &sender);
}

// Whether a socket of the node listens for it: a program's, or that of a tunnel device of the kernel.
inlined int listened_for(struct __sk_buff *skb, const struct arrival *arrival)
{
	void *socket;
	if (!arrival->ports[1])
		return 0;
	if (arrival->to.version == 4) {
		struct bpf_sock_tuple4 tuple = {};
		tuple.saddr = arrival->source[0];
		tuple.daddr = arrival->to.local[0];
		tuple.sport = arrival->ports[0];
		tuple.dport = arrival->ports[1];
		socket = bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple), BPF_F_CURRENT_NETNS, 0);
	} else {
		struct bpf_sock_tuple6 tuple = {};
		__builtin_memcpy(tuple.saddr, arrival->source, 16);
		__builtin_memcpy(tuple.daddr, arrival->to.local, 16);
		tuple.sport = arrival->ports[0];
		tuple.dport = arrival->ports[1];
		socket = bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple), BPF_F_CURRENT_NETNS, 0);
	}
	if (!socket)
		return 0;
	bpf_sk_release(socket);
	return 1;
}

// What is said of packets like this one where it has come in; 0: nothing, as no tunnel of its kind ends there.
inlined const u32 *served_at(struct __sk_buff *skb, const struct address *to)
{
	struct address place = *to;
	place.identifier = 0;
	if (place.kind == MPLS_OVER_ETHERNET)
		place.local[0] = skb->ifindex;
	return bpf_map_lookup_elem(&served_map, &place);
}

// A packet like ours that belongs to no tunnel: nobody's where tunnels of its kind end, unless there is another owner.
inlined int unknown(struct __sk_buff *skb, const struct arrival *arrival, enum reason reason)
{
	u32 nobody = 0;
	const u32 *served = served_at(skb, &arrival->to);
	if (!served)
		return TC_ACT_UNSPEC;
	// The kernel would put the fragments together, and its device take what may be of any tunnel.
	if (arrival->headless && arrival->fragment)
		return drop(bpf_map_lookup_elem(&traffic_map, &nobody), RECEIVED, FRAGMENTED);
	if (*served & SHARED)
		return TC_ACT_UNSPEC;
	const int heard = listened_for(skb, arrival);
	if (heard && !(*served & GUARDED))
		return TC_ACT_UNSPEC;
	const int dropped = drop(bpf_map_lookup_elem(&traffic_map, &nobody), RECEIVED, reason);
	// The kernel drops it too, unless a container hides a device that wants it.
	return heard ? TC_ACT_UNSPEC : dropped;
}

// Puts an Ethernet header before a packet of a device that has none, as the rest of the way takes it.
inlined long add_ethernet(struct __sk_buff *skb, struct arrival *arrival)
{
	const struct ethernet ethernet = { .type = (u16)skb->protocol };
	arrival->inner += sizeof(ethernet);
	arrival->end += sizeof(ethernet);
	return bpf_skb_change_head(skb, sizeof(ethernet), 0) || bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0);
}

// `start`: offset of the packet, behind the Ethernet header if there is one.
inlined int unwrap(struct __sk_buff *skb, struct arrival *arrival, u32 start)
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
