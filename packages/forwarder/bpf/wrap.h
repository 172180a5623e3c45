// Outgoing: a frame of a pod gets the tunnel's headers and goes to the uplink.

// Marks of frames that come by a second time; a pod cannot set them: a mark does not survive a change of namespace.
enum {
	// At the node's end, with all headers on it: to be sent.
	MARK_WRAPPED = 0x6e736d01,
	// At the node's end, from the uplink with its label on: to be unwrapped.
	MARK_ARRIVED = 0x6e736d03,
};

// The traffic control index tells the programs' own frames from others; on the way to an uplink, their priority is the index of
// the node's end. No route is chosen by either, as it may be by mark. Pods can set an index, so arriving packets lose theirs.
enum {
	INDEX_SENT = 0x6e01,
	INDEX_LABELLED = 0x6e02,
	// It has left by an uplink, below which there may be another device.
	INDEX_LEFT = 0x6e03,
	// To be cut into segments by the loopback device.
	INDEX_CUT = 0x6e04,
};

// The inner Ethernet header with its VLAN tags.
struct inner {
	struct ethernet ethernet;
	struct vlan_tag tags[MAX_TAGS];
	u32 count;
};

// Bytes between the outer Ethernet header and the inner one.
inlined u32 headers_of(u8 kind, u8 version)
{
	const u32 ip = version == 6 ? sizeof(struct ipv6) : sizeof(struct ipv4);
	switch (kind) {
	case GRE:
	case MPLS_OVER_GRE:
		return ip + 8;
	case MPLS_OVER_UDP:
		return ip + 12;
	case MPLS_OVER_ETHERNET:
		return 4;
	default:
		return ip + 16;
	}
}

inlined u32 label_of(u32 identifier)
{
	return swap32(identifier << 12 | MPLS_BOTTOM | 64);
}

// Writes what stands between IP and the inner frame, at `offset`; `length`: bytes from there to the end.
inlined long write_tunnel_header(struct __sk_buff *skb, const struct outgoing *out, u32 offset, u32 length, u32 hash)
{
	u32 words[4];
	if (out->kind == GRE) {
		words[0] = swap32((u32)GRE_KEY << 16 | ETH_P_TEB);
		words[1] = swap32(out->identifier);
		return bpf_skb_store_bytes(skb, offset, words, 8, 0);
	}
	if (out->kind == MPLS_OVER_GRE) {
		words[0] = swap32(ETH_P_MPLS);
		words[1] = label_of(out->identifier);
		return bpf_skb_store_bytes(skb, offset, words, 8, 0);
	}
	// Checksum 0: RFC 768; with IPv6, RFC 6935. The source port spreads flows (RFC 7348, section 5; RFC 7510, section 3).
	words[0] = swap32((0xc000 | (hash & 0x3fff)) << 16) | (u32)out->port << 16;
	words[1] = swap32(length << 16);
	if (out->kind == MPLS_OVER_UDP) {
		words[2] = label_of(out->identifier);
		return bpf_skb_store_bytes(skb, offset, words, 12, 0);
	}
	words[2] = out->kind == VXLAN ? swap32((u32)VXLAN_VNI << 24) : swap32((u32)(VXLAN_VNI | VXLAN_NEXT) << 24 | GPE_ETHERNET);
	words[3] = swap32(out->identifier << 8);
	return bpf_skb_store_bytes(skb, offset, words, 16, 0);
}

// Writes all that comes before the inner frame. `ecn`: of the inner packet, copied (RFC 6040, normal mode).
inlined long write_headers(struct __sk_buff *skb, const struct outgoing *out, u8 ecn, u32 hash)
{
	struct ethernet ethernet = {};
	u32 offset = sizeof(ethernet);
	const u8 protocol = out->kind == GRE || out->kind == MPLS_OVER_GRE ? PROTO_GRE : PROTO_UDP;
	if (out->kind == MPLS_OVER_ETHERNET) {
		// The way out of the uplink turns it into ETH_P_MPLS; bpf_redirect_neigh() takes nothing but IP.
		ethernet.type = swap16(ETH_P_IP);
		const u32 label = label_of(out->identifier);
		if (bpf_skb_store_bytes(skb, offset, &label, sizeof(label), 0))
			return -1;
		return bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0);
	}
	if (out->version == 4) {
		struct ipv4 ip = {};
		ethernet.type = swap16(ETH_P_IP);
		ip.version_length = 0x45;
		ip.tos = ecn;
		ip.length = swap16((u16)(skb->len - offset));
		ip.id = (u16)bpf_get_prandom_u32();
		ip.fragment = swap16(IPV4_DF);
		ip.ttl = 64;
		ip.protocol = protocol;
		ip.source = out->local[0];
		ip.destination = out->remote[0];
		ip.checksum = fold(bpf_csum_diff(0, 0, &ip, sizeof(ip), 0));
		if (bpf_skb_store_bytes(skb, offset, &ip, sizeof(ip), 0))
			return -1;
		offset += sizeof(ip);
	} else {
		struct ipv6 ip = {};
		ethernet.type = swap16(ETH_P_IPV6);
		// The flow label spreads flows where there is no port (RFC 6438).
		ip.version_class_flow = swap32(6u << 28 | (u32)ecn << 20 | (hash & 0xfffff));
		ip.length = swap16((u16)(skb->len - offset - sizeof(ip)));
		ip.next = protocol;
		ip.hops = 64;
		__builtin_memcpy(ip.source, out->local, 16);
		__builtin_memcpy(ip.destination, out->remote, 16);
		if (bpf_skb_store_bytes(skb, offset, &ip, sizeof(ip), 0))
			return -1;
		offset += sizeof(ip);
	}
	if (write_tunnel_header(skb, out, offset, skb->len - offset, hash))
		return -1;
	return bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0);
}

inlined long write_inner(struct __sk_buff *skb, const struct inner *inner, u32 offset)
{
	if (inner->count == 0)
		return bpf_skb_store_bytes(skb, offset, &inner->ethernet, sizeof(inner->ethernet), 0);
	if (bpf_skb_store_bytes(skb, offset, &inner->ethernet, 12, 0))
		return -1;
	offset += 12;
	if (bpf_skb_store_bytes(skb, offset, &inner->tags[0], 4, 0))
		return -1;
	offset += 4;
	if (inner->count == 2) {
		if (bpf_skb_store_bytes(skb, offset, &inner->tags[1], 4, 0))
			return -1;
		offset += 4;
	}
	return bpf_skb_store_bytes(skb, offset, &inner->ethernet.type, 2, 0);
}

// A frame with its headers on leaves by the uplink; the kernel finds the way and the neighbour anew for each.
inlined int send(struct __sk_buff *skb, const struct outgoing *out, struct traffic *traffic)
{
	skb->mark = 0;
	skb->priority = skb->ifindex;
	if (traffic)
		traffic->handed_over++;
	if (out->kind != MPLS_OVER_ETHERNET) {
		skb->tc_index = INDEX_SENT;
		return bpf_redirect_neigh(out->uplink, 0, 0, 0);
	}
	struct bpf_redir_neigh to = { .nh_family = out->version == 6 ? AF_INET6 : AF_INET };
	__builtin_memcpy(to.nh, out->remote, 16);
	skb->tc_index = INDEX_LABELLED;
	return bpf_redirect_neigh(out->uplink, &to, sizeof(to), 0);
}

inlined u8 ecn_of(struct __sk_buff *skb, u32 offset, u16 type)
{
	u8 bytes[2];
	if (bpf_skb_load_bytes(skb, offset, bytes, 2))
		return 0;
	if (type == swap16(ETH_P_IP))
		return bytes[1] & 3;
	return type == swap16(ETH_P_IPV6) ? bytes[1] >> 4 & 3 : 0;
}

// The tags come out of the packet's metadata: only what is written into the inner header reaches the other side.
inlined long take_tags(struct __sk_buff *skb, struct inner *inner)
{
#pragma unroll
	for (int n = 0; n < MAX_TAGS; n++) {
		if (!skb->vlan_present)
			return 0;
		inner->tags[n].protocol = (u16)skb->vlan_proto;
		inner->tags[n].tci = swap16((u16)skb->vlan_tci);
		inner->count = n + 1;
		if (bpf_skb_vlan_pop(skb))
			return -1;
	}
	return skb->vlan_present ? -1 : 0;
}

inlined int wrap(struct __sk_buff *skb, const struct outgoing *out, struct traffic *traffic)
{
	struct inner inner = {};
	const u32 bytes = skb->len;
	const u32 segments = skb->gso_segs;
	const u32 headers = headers_of(out->kind, out->version);
	const u32 tagged = skb->vlan_present ? 4 : 0;

	// The underlay may have shrunk since the tunnel was made.
	u32 underlay = 0, mtu = out->mtu;
	bpf_check_mtu(skb, out->uplink, &underlay, 0, 0);
	if (underlay) {
		const u32 fits = underlay - headers - sizeof(struct ethernet);
		if (fits < mtu)
			mtu = fits;
	}
	if (packet_size(skb) + tagged > mtu)
		return too_large(skb, traffic, mtu - tagged);

	const u32 hash = bpf_get_hash_recalc(skb);
	if (take_tags(skb, &inner) || bpf_skb_load_bytes(skb, 0, &inner.ethernet, sizeof(inner.ethernet)))
		return drop(traffic, SENT, UNSUPPORTED);
	const u16 type = inner.ethernet.type;
	const u8 ecn = ecn_of(skb, sizeof(struct ethernet), type);
	const u32 tags = inner.count * 4;
	const int ip = skb->protocol == swap16(ETH_P_IP) || skb->protocol == swap16(ETH_P_IPV6);

	u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
	// The length of the inner Ethernet header alone, whatever stands before it: the kernel cuts segments by it.
	flags |= BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(struct ethernet) + tags);
	flags |= out->version == 6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	flags |= out->kind == GRE || out->kind == MPLS_OVER_GRE ? BPF_F_ADJ_ROOM_ENCAP_L4_GRE : BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	int direct = ip && out->kind != MPLS_OVER_ETHERNET &&
		     !bpf_skb_adjust_room(skb, headers + sizeof(struct ethernet) + tags, BPF_ADJ_ROOM_MAC, flags);
	if (!direct) {
		// Not IP (bpf_skb_adjust_room() takes nothing else), or out of another tunnel, which the kernel remembers (EALREADY).
		if (skb->gso_size || bpf_skb_change_head(skb, headers + sizeof(struct ethernet) + tags, 0))
			return drop(traffic, SENT, UNSUPPORTED);
	}
	if (write_inner(skb, &inner, sizeof(struct ethernet) + headers) || write_headers(skb, out, ecn, hash))
		return drop(traffic, SENT, UNSUPPORTED);
	count(traffic, SENT, segments, bytes);
	if (direct || (out->kind == MPLS_OVER_ETHERNET && skb->protocol == swap16(ETH_P_IP)))
		return send(skb, out, traffic);
	// The kernel takes it for what it was. Arriving once more it is read anew, as the IP packet that it has become.
	skb->mark = MARK_WRAPPED;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}
