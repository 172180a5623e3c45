// What a tunnel is to the programs. packages/forwarder/src/bpf/tunnel-structures.ts writes and reads the same structures.

// The next forwarder goes on with maps of the same names: whoever changes a structure below raises the number in the
// names, here and there.
#define outgoing_map nsm_outgoing_5
#define incoming_map nsm_incoming_5
#define served_map nsm_served_5
#define traffic_map nsm_traffic_5
#define strict_map nsm_strict_5
#define senders_map nsm_senders_5
#define sources_map nsm_sources_5
#define prefixes_map nsm_prefixes_5

enum kind { VXLAN = 1, GRE, VXLAN_GPE, MPLS_OVER_GRE, MPLS_OVER_UDP, MPLS_OVER_ETHERNET };

enum direction { SENT, RECEIVED, DIRECTIONS };

enum reason {
	TOO_LARGE,
	UNSUPPORTED,
	WRONG_SOURCE,
	TRUNCATED,
	FRAGMENTED,
	MALFORMED,
	CONGESTION,
	UNKNOWN_IDENTIFIER,
	FORGED,
	FOREIGN,
	REASONS
};

// Outgoing: by the interface index of the node's end of the pod's veth pair.
struct outgoing {
	u8 kind;
	// Of the underlay: 4 or 6.
	u8 version;
	// UDP destination, network byte order.
	u16 port;
	u32 identifier;
	// IPv4 addresses in the first four bytes, the others zero.
	u32 local[4];
	u32 remote[4];
	u32 uplink;
	// Bytes of the largest IP packet of the pod.
	u16 mtu;
	// Not 0: sources_map says from where the pod may send.
	u16 checked;
};

// Incoming: by what a packet says.
struct address {
	// None for MPLSoEthernet; of a place where its tunnels end, the index of the uplink in the first word.
	u32 local[4];
	u32 identifier;
	u8 kind;
	u8 version;
	u16 zero;
};

// Of tunnels that end in a device of the kernel's own instead of a node's end: no interface index is that large.
enum { OF_THE_KERNEL = 1 << 31 };

struct incoming {
	// Node's end of the pod's veth pair, or a number of ours with OF_THE_KERNEL: the key of its counters in both cases.
	u32 ifindex;
	u32 remote[4];
	// Not 0 when the pod is in another network namespace than the node.
	u32 elsewhere;
	// For MPLSoEthernet: senders_map has the other node's on the uplink. Until then any will do there.
	u32 sender_known;
	// Index of the device that packets to the other node leave by.
	u32 uplink;
};

// Another node as its frames without IP show it on a link.
struct sender {
	u32 remote[4];
	// Index of the device that they come in by.
	u32 device;
	u8 mac[6];
	u16 zero;
};

struct traffic {
	u64 packets[DIRECTIONS];
	u64 bytes[DIRECTIONS];
	// Frames given to the kernel to be sent, and those of them that it found a way and a neighbour for.
	u64 handed_over;
	u64 left;
	u64 drops[DIRECTIONS][REASONS];
};

// Senders are few for each device and node, but whoever speaks ARP on a device makes some there.
enum { MAX_TUNNELS = 65536, MAX_PLACES = 4096, MAX_SENDERS = 1 << 17 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_TUNNELS);
	__type(key, u32);
	__type(value, struct outgoing);
} outgoing_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_TUNNELS);
	__type(key, struct address);
	__type(value, struct incoming);
} incoming_map SEC(".maps");

enum served {
	// Somebody else may want packets of that kind as well.
	SHARED = 1,
	// Devices of the kernel's own are among those that the tunnels end in.
	GUARDED = 2,
};

// Where tunnels end: addresses with identifier 0, and `enum served`.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_PLACES);
	__type(key, struct address);
	__type(value, u32);
} served_map SEC(".maps");

// By the index of the node's end, or what stands for it; 0 for packets that belong to no tunnel.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_TUNNELS);
	__type(key, u32);
	__type(value, struct traffic);
} traffic_map SEC(".maps");

// Devices, by index, that take packets only from where answers would leave by them: net.ipv4.conf.DEVICE.rp_filter is 1
// (RFC 3704, strict reverse path forwarding). The value says nothing.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_PLACES);
	__type(key, u32);
	__type(value, u32);
} strict_map SEC(".maps");

// From where frames of MPLSoEthernet may come. The value says nothing.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_SENDERS);
	__type(key, struct sender);
	__type(value, u32);
} senders_map SEC(".maps");

inlined int drop(struct traffic *traffic, enum direction direction, enum reason reason)
{
	if (traffic)
		traffic->drops[direction][reason]++;
	return TC_ACT_SHOT;
}

inlined void count(struct traffic *traffic, enum direction direction, u32 segments, u32 bytes)
{
	if (!traffic)
		return;
	traffic->packets[direction] += segments ? segments : 1;
	traffic->bytes[direction] += bytes;
}
