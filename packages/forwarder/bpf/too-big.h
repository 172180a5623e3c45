// The answer to a packet that does not fit the tunnel: "fragmentation needed" (RFC 1191) or "packet too big" (RFC 4443),
// as if from where the packet was going, so that the sender's path MTU discovery works.

// Bytes of the packet that are quoted: any IPv4 header and more than eight bytes after it.
enum { QUOTED = 64 };

struct answer4 {
	struct ethernet ethernet;
	struct ipv4 ip;
	struct icmp icmp;
} packed;

struct answer6 {
	struct ethernet ethernet;
	struct ipv6 ip;
	struct icmp icmp;
} packed;

inlined void turn(struct ethernet *to, const struct ethernet *from)
{
	__builtin_memcpy(to->destination, from->source, 6);
	__builtin_memcpy(to->source, from->destination, 6);
	to->type = from->type;
}

inlined int answer_ipv4(struct __sk_buff *skb, const struct ethernet *ethernet, u32 mtu)
{
	struct ipv4 ip;
	u8 quote[QUOTED];
	u8 type;
	if (bpf_skb_load_bytes(skb, sizeof(*ethernet), &ip, sizeof(ip)))
		return TC_ACT_SHOT;
	// Never about a multicast, a later fragment, or another error (RFC 1122, 3.2.2).
	if ((ip.destination & 0xf0) == 0xe0 || (swap16(ip.fragment) & IPV4_OFFSET))
		return TC_ACT_SHOT;
	if (ip.protocol == PROTO_ICMP) {
		if (bpf_skb_load_bytes(skb, sizeof(*ethernet) + (ip.version_length & 15) * 4, &type, 1) || (type != 0 && type != 8))
			return TC_ACT_SHOT;
	}
	struct answer4 answer = {};
	const u32 added = sizeof(answer) - sizeof(*ethernet);
	if (bpf_skb_change_tail(skb, sizeof(*ethernet) + QUOTED, 0) || bpf_skb_change_head(skb, added, 0))
		return TC_ACT_SHOT;
	if (bpf_skb_load_bytes(skb, sizeof(answer), quote, QUOTED))
		return TC_ACT_SHOT;
	turn(&answer.ethernet, ethernet);
	answer.ip.version_length = 0x45;
	answer.ip.length = swap16(sizeof(struct ipv4) + sizeof(struct icmp) + QUOTED);
	answer.ip.ttl = 64;
	answer.ip.protocol = PROTO_ICMP;
	answer.ip.source = ip.destination;
	answer.ip.destination = ip.source;
	answer.ip.checksum = fold(bpf_csum_diff(0, 0, &answer.ip, sizeof(answer.ip), 0));
	answer.icmp.type = 3;
	answer.icmp.code = 4;
	answer.icmp.mtu = swap32(mtu & 0xffff);
	s64 sum = bpf_csum_diff(0, 0, quote, QUOTED, 0);
	answer.icmp.checksum = fold(bpf_csum_diff(0, 0, &answer.icmp, sizeof(answer.icmp), sum));
	if (bpf_skb_store_bytes(skb, 0, &answer, sizeof(answer), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

inlined int answer_ipv6(struct __sk_buff *skb, const struct ethernet *ethernet, u32 mtu)
{
	struct ipv6 ip;
	u8 quote[QUOTED];
	u8 type;
	if (bpf_skb_load_bytes(skb, sizeof(*ethernet), &ip, sizeof(ip)))
		return TC_ACT_SHOT;
	if (ip.next == PROTO_ICMPV6) {
		// Errors are those below 128.
		if (bpf_skb_load_bytes(skb, sizeof(*ethernet) + sizeof(ip), &type, 1) || type < 128)
			return TC_ACT_SHOT;
	}
	struct answer6 answer = {};
	const u32 added = sizeof(answer) - sizeof(*ethernet);
	if (bpf_skb_change_tail(skb, sizeof(*ethernet) + QUOTED, 0) || bpf_skb_change_head(skb, added, 0))
		return TC_ACT_SHOT;
	if (bpf_skb_load_bytes(skb, sizeof(answer), quote, QUOTED))
		return TC_ACT_SHOT;
	turn(&answer.ethernet, ethernet);
	answer.ip.version_class_flow = swap32(0x60000000);
	answer.ip.length = swap16(sizeof(struct icmp) + QUOTED);
	answer.ip.next = PROTO_ICMPV6;
	answer.ip.hops = 64;
	__builtin_memcpy(answer.ip.source, ip.destination, 16);
	__builtin_memcpy(answer.ip.destination, ip.source, 16);
	answer.icmp.type = 2;
	answer.icmp.mtu = swap32(mtu);
	u32 pseudo[10];
	__builtin_memcpy(pseudo, answer.ip.source, 32);
	pseudo[8] = swap32(sizeof(struct icmp) + QUOTED);
	pseudo[9] = swap32(PROTO_ICMPV6);
	s64 sum = bpf_csum_diff(0, 0, quote, QUOTED, 0);
	sum = bpf_csum_diff(0, 0, pseudo, sizeof(pseudo), sum);
	answer.icmp.checksum = fold(bpf_csum_diff(0, 0, &answer.icmp, sizeof(answer.icmp), sum));
	if (bpf_skb_store_bytes(skb, 0, &answer, sizeof(answer), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

// Bytes of the largest IP packet that `skb` is, or will be cut into.
inlined u32 packet_size(struct __sk_buff *skb)
{
	const u32 whole = skb->len - sizeof(struct ethernet);
	u8 first, next, doff;
	u32 header;
	if (!skb->gso_size)
		return whole;
	if (bpf_skb_load_bytes(skb, sizeof(struct ethernet), &first, 1))
		return 0;
	if (first >> 4 == 4) {
		header = (first & 15) * 4;
		if (bpf_skb_load_bytes(skb, sizeof(struct ethernet) + 9, &next, 1))
			return 0;
	} else {
		header = sizeof(struct ipv6);
		if (bpf_skb_load_bytes(skb, sizeof(struct ethernet) + 6, &next, 1))
			return 0;
	}
	if (next == PROTO_UDP)
		return header + sizeof(struct udp) + skb->gso_size;
	if (next != PROTO_TCP || bpf_skb_load_bytes(skb, sizeof(struct ethernet) + header + 12, &doff, 1))
		return 0;
	return header + (doff >> 4) * 4 + skb->gso_size;
}

// Drops a packet that is too large, with an answer if there can be one.
inlined int too_large(struct __sk_buff *skb, struct traffic *traffic, u32 mtu)
{
	struct ethernet ethernet;
	drop(traffic, SENT, TOO_LARGE);
	if (bpf_skb_load_bytes(skb, 0, &ethernet, sizeof(ethernet)) || (ethernet.destination[0] & 1))
		return TC_ACT_SHOT;
	if (ethernet.type == swap16(ETH_P_IP))
		return answer_ipv4(skb, &ethernet, mtu);
	if (ethernet.type == swap16(ETH_P_IPV6))
		return answer_ipv6(skb, &ethernet, mtu);
	return TC_ACT_SHOT;
}
