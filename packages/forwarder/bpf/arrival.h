// Incoming: what a packet at an uplink is, by the headers of the underlay and of the tunnel.

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

inlined int read_ip(struct __sk_buff *skb, struct arrival *arrival, u32 start)
{
	if (skb->protocol == swap16(ETH_P_IP))
		return read_ipv4(skb, arrival, start);
	return skb->protocol == swap16(ETH_P_IPV6) ? read_ipv6(skb, arrival, start) : -1;
}
