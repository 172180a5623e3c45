// What the programs use of the kernel's interface (include/uapi/linux/bpf.h), written out: it never changes, headers of
// every age give the same object, and Debian's are older than some of the flags.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define inlined static inline __attribute__((always_inline))

struct __sk_buff {
	u32 len;
	u32 pkt_type;
	u32 mark;
	u32 queue_mapping;
	u32 protocol;
	u32 vlan_present;
	u32 vlan_tci;
	u32 vlan_proto;
	u32 priority;
	u32 ingress_ifindex;
	u32 ifindex;
	u32 tc_index;
	u32 cb[5];
	u32 hash;
	u32 tc_classid;
	u32 data;
	u32 data_end;
	u32 napi_id;
	u32 family;
	u32 remote_ip4;
	u32 local_ip4;
	u32 remote_ip6[4];
	u32 local_ip6[4];
	u32 remote_port;
	u32 local_port;
	u32 data_meta;
	u64 flow_keys;
	u64 tstamp;
	u32 wire_len;
	u32 gso_segs;
	u64 sk;
	u32 gso_size;
};

struct bpf_redir_neigh {
	u32 nh_family;
	u32 nh[4];
};

struct bpf_sock_tuple4 {
	u32 saddr;
	u32 daddr;
	u16 sport;
	u16 dport;
};

struct bpf_sock_tuple6 {
	u32 saddr[4];
	u32 daddr[4];
	u16 sport;
	u16 dport;
};

enum { TC_ACT_UNSPEC = -1, TC_ACT_OK = 0, TC_ACT_SHOT = 2 };
// linux/if_packet.h, linux/if_vlan.h.
enum { PACKET_OTHERHOST = 3, VLAN_ID = 0xfff };
enum { AF_INET = 2, AF_INET6 = 10 };
enum { BPF_F_INGRESS = 1 };
// Index of the loopback device, which is the first of every network namespace (LOOPBACK_IFINDEX, include/net/flow.h).
enum { LOOPBACK = 1 };
enum { BPF_ADJ_ROOM_MAC = 1 };
#define BPF_F_CURRENT_NETNS ((u64)-1)
#define BPF_F_ADJ_ROOM_FIXED_GSO (1ULL << 0)
#define BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 (1ULL << 1)
#define BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 (1ULL << 2)
#define BPF_F_ADJ_ROOM_ENCAP_L4_GRE (1ULL << 3)
#define BPF_F_ADJ_ROOM_ENCAP_L4_UDP (1ULL << 4)
#define BPF_F_ADJ_ROOM_ENCAP_L2_ETH (1ULL << 6)
// Linux 6.3.
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV4 (1ULL << 7)
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)
// Newer than Linux 6.18.
#define BPF_F_ADJ_ROOM_DECAP_L4_GRE (1ULL << 9)
#define BPF_F_ADJ_ROOM_DECAP_L4_UDP (1ULL << 10)
#define BPF_F_ADJ_ROOM_ENCAP_L2(length) ((u64)(length) << 56)

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static u32 (*const bpf_get_prandom_u32)(void) = (void *)7;
static long (*const bpf_skb_store_bytes)(void *skb, u32 offset, const void *from, u32 length, u64 flags) = (void *)9;
static long (*const bpf_l3_csum_replace)(void *skb, u32 offset, u64 from, u64 to, u64 size) = (void *)10;
static long (*const bpf_skb_vlan_pop)(void *skb) = (void *)19;
static long (*const bpf_redirect)(u32 ifindex, u64 flags) = (void *)23;
static long (*const bpf_skb_load_bytes)(const void *skb, u32 offset, void *to, u32 length) = (void *)26;
static s64 (*const bpf_csum_diff)(const void *from, u32 from_size, const void *to, u32 to_size, u32 seed) = (void *)28;
static u32 (*const bpf_get_hash_recalc)(void *skb) = (void *)34;
static long (*const bpf_skb_change_tail)(void *skb, u32 length, u64 flags) = (void *)38;
static long (*const bpf_skb_change_head)(void *skb, u32 length, u64 flags) = (void *)43;
static long (*const bpf_skb_adjust_room)(void *skb, int difference, u32 mode, u64 flags) = (void *)50;
static void *(*const bpf_sk_lookup_udp)(void *skb, void *tuple, u32 size, u64 netns, u64 flags) = (void *)85;
static long (*const bpf_sk_release)(void *sk) = (void *)86;
static long (*const bpf_redirect_neigh)(u32 ifindex, struct bpf_redir_neigh *params, int length, u64 flags) = (void *)152;
static long (*const bpf_redirect_peer)(u32 ifindex, u64 flags) = (void *)155;
static long (*const bpf_check_mtu)(void *skb, u32 ifindex, u32 *mtu, int difference, u64 flags) = (void *)163;

// Map definitions as libbpf reads them from BTF.
#define __uint(name, value) int(*name)[value]
#define __type(name, type) type *name
enum { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_PERCPU_HASH = 5, BPF_MAP_TYPE_LPM_TRIE = 11, BPF_F_NO_PREALLOC = 1 };

#define swap16(x) ((u16)__builtin_bswap16(x))
#define swap32(x) ((u32)__builtin_bswap32(x))
