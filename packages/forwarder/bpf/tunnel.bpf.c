// Every tunnel of a node: pods' frames in, packets to other nodes out, and back. Which kind, from where to where is in
// the maps. Loaded once per node; see packages/forwarder/src/bpf.
#include "kernel.h"
#include "headers.h"
#include "maps.h"
#include "source.h"
#include "too-big.h"
#include "wrap.h"
#include "arrival.h"
#include "owner.h"
#include "unwrap.h"

// Ingress of the node's end of a pod's veth pair. Nothing of a pod may enter the node itself.
SEC("tc") int nsm_wrap(struct __sk_buff *skb)
{
	u32 end = skb->ifindex;
	if (skb->mark == MARK_ARRIVED) {
		struct ethernet inner;
		const u32 label = 4;
		skb->mark = 0;
		if (bpf_skb_load_bytes(skb, sizeof(inner) + label, &inner, sizeof(inner)) || shrink(skb, &inner, sizeof(inner) + label, 0))
			return TC_ACT_SHOT;
		return bpf_redirect(end, 0);
	}
	const struct outgoing *out = bpf_map_lookup_elem(&outgoing_map, &end);
	if (!out)
		return TC_ACT_SHOT;
	struct traffic *traffic = bpf_map_lookup_elem(&traffic_map, &end);
	if (skb->mark == MARK_WRAPPED)
		return send(skb, out, traffic);
	if (out->checked) {
		const struct sources *from = bpf_map_lookup_elem(&sources_map, &end);
		if (!from || foreign(skb, from))
			return drop(traffic, SENT, FOREIGN);
	}
	return wrap(skb, out, traffic);
}

// Whether the tag in the frame itself is of VLAN 0 as well.
inlined int no_vlan(struct __sk_buff *skb, u32 start)
{
	struct tagged tagged;
	return !bpf_skb_load_bytes(skb, start, &tagged, sizeof(tagged)) && !(swap16(tagged.tci) & VLAN_ID);
}

// Ingress of every device of the node but its ends of pods' pairs: as Linux takes packets to an address of its own, whatever
// link they come by. What is not ours goes on as if we were not there.
inlined int arrive(struct __sk_buff *skb, u32 start)
{
	struct arrival arrival = {};
	const u32 index = skb->tc_index;
	if (index >= INDEX_SENT && index <= INDEX_CUT)
		skb->tc_index = 0;
	// Linux takes IP in broadcast frames, too, and what is tagged with VLAN 0, which is no VLAN.
	if (skb->pkt_type == PACKET_OTHERHOST || (skb->vlan_present && skb->vlan_tci & VLAN_ID))
		return TC_ACT_UNSPEC;
	// Nobody tags with it twice but to hide what is inside.
	if (skb->vlan_present && (skb->protocol == swap16(ETH_P_8021Q) || skb->protocol == swap16(ETH_P_8021AD)))
		return no_vlan(skb, start) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
	int other = read_ip(skb, &arrival, start);
	if (skb->protocol == swap16(ETH_P_MPLS) && start)
		other = read_label(skb, &arrival, MPLS_OVER_ETHERNET, start);
	return other ? TC_ACT_UNSPEC : unwrap(skb, &arrival, start, index);
}

SEC("tc") int nsm_unwrap(struct __sk_buff *skb)
{
	return arrive(skb, sizeof(struct ethernet));
}

// Of devices without Ethernet, such as TUN and WireGuard.
SEC("tc") int nsm_unwrap_ip(struct __sk_buff *skb)
{
	return arrive(skb, 0);
}

// A packet into a tunnel of this node that no program of ours has wrapped. The other node takes it for this one's, but a program of
// the node sent it, or a pod whose packets leave with the node's address. What may be in use beside ours is read as it arrives.
inlined int forged(struct __sk_buff *skb)
{
	struct arrival arrival = {};
	// The device below a VLAN's: what leaves by the VLAN was looked at there.
	if (skb->vlan_present || read_ip(skb, &arrival, sizeof(struct ethernet)) || arrival.headless)
		return TC_ACT_UNSPEC;
	u32 remote[4];
	__builtin_memcpy(remote, arrival.to.local, sizeof(remote));
	__builtin_memcpy(arrival.to.local, arrival.source, sizeof(remote));
	const struct incoming *in = bpf_map_lookup_elem(&incoming_map, &arrival.to);
	// Of a device of the kernel's own nobody knows what it sends.
	if (!in || in->ifindex & OF_THE_KERNEL || different(in->remote, remote))
		return TC_ACT_UNSPEC;
	u32 pod = in->ifindex;
	return drop(bpf_map_lookup_elem(&traffic_map, &pod), SENT, FORGED);
}

// Egress of every device of the node but its ends of pods' pairs: of what was sent, this much found a way, and nobody else sends
// into a tunnel.
SEC("tc") int nsm_leave(struct __sk_buff *skb)
{
	const u32 index = skb->tc_index;
	if (index == INDEX_LEFT || index == INDEX_CUT)
		return TC_ACT_UNSPEC;
	if (index != INDEX_SENT && index != INDEX_LABELLED)
		return forged(skb);
	u32 end = skb->priority;
	struct traffic *traffic = bpf_map_lookup_elem(&traffic_map, &end);
	skb->tc_index = INDEX_LEFT;
	skb->priority = 0;
	if (traffic)
		traffic->left++;
	if (index == INDEX_SENT)
		return TC_ACT_UNSPEC;
	const u16 type = swap16(ETH_P_MPLS);
	return bpf_skb_store_bytes(skb, 12, &type, sizeof(type), 0) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

char gpl[] SEC("license") = "GPL";
