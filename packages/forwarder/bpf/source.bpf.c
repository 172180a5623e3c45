// Whether what arrives at one side of a connection on one node was sent from where the other side may send. It stands where the
// sender cannot take it away: at the receiver's device, or at the forwarder's own end of a TAP device. See packages/forwarder/src/bpf.
#include "kernel.h"
#include "headers.h"
#define sources_map mesh_sources
#define prefixes_map mesh_prefixes
#include "source.h"

// Packets that were not the sender's own, by number.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_SOURCES);
	__type(key, u32);
	__type(value, u64);
} refused_map SEC(".maps");

inlined int refused(struct __sk_buff *skb, u32 number)
{
	const struct sources *from = bpf_map_lookup_elem(&sources_map, &number);
	if (from && !foreign(skb, from))
		return 0;
	u64 *count = bpf_map_lookup_elem(&refused_map, &number);
	if (count)
		++*count;
	return 1;
}

// Ingress of the receiver's device; the filter's class is the number.
SEC("tc") int mesh_source(struct __sk_buff *skb)
{
	return refused(skb, skb->tc_classid) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

// What the forwarder reads from a TAP device (TUNSETFILTEREBPF); an object of its own for each.
SEC("socket") int mesh_source_tap(struct __sk_buff *skb)
{
	return refused(skb, 0) ? 0 : skb->len;
}

char gpl[] SEC("license") = "GPL";
