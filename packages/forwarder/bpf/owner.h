// Incoming: whose a packet is: of the other node that its tunnel leads to, of nobody, or of another program of this node.

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
