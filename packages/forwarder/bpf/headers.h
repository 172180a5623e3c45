// Headers on the wire, all fields in network byte order.
#define packed __attribute__((packed))

enum { ETH_P_IP = 0x0800, ETH_P_ARP = 0x0806, ETH_P_8021Q = 0x8100, ETH_P_IPV6 = 0x86dd, ETH_P_MPLS = 0x8847, ETH_P_8021AD = 0x88a8, ETH_P_TEB = 0x6558 };
enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_GRE = 47, PROTO_ICMPV6 = 58 };
// Extension headers of IPv6, RFC 8200, section 4.
enum { PROTO_HOP_BY_HOP = 0, PROTO_ROUTING = 43, PROTO_FRAGMENT = 44, PROTO_OPTIONS = 60, MAX_EXTENSIONS = 6 };
enum { PORT_VXLAN = 4789, PORT_VXLAN_GPE = 4790, PORT_MPLS = 6635 };

struct ethernet {
	u8 destination[6];
	u8 source[6];
	u16 type;
} packed;

struct vlan_tag {
	u16 protocol;
	u16 tci;
} packed;

enum { MAX_TAGS = 2 };

// What stands behind the EtherType of a tagged frame.
struct tagged {
	u16 tci;
	u16 type;
} packed;

struct ipv4 {
	u8 version_length;
	u8 tos;
	u16 length;
	u16 id;
	u16 fragment;
	u8 ttl;
	u8 protocol;
	u16 checksum;
	u32 source;
	u32 destination;
} packed;
enum { IPV4_DF = 0x4000, IPV4_MF = 0x2000, IPV4_OFFSET = 0x1fff };

struct ipv6 {
	u32 version_class_flow;
	u16 length;
	u8 next;
	u8 hops;
	u32 source[4];
	u32 destination[4];
} packed;

// The first bytes of any of its extension headers; `fragment` is of the fragment header only, which has no length.
struct extension {
	u8 next;
	// In units of 8 bytes, without the first.
	u8 length;
	u16 fragment;
	u8 more[4];
} packed;
enum { IPV6_OFFSET = 0xfff8 };

struct udp {
	u16 source;
	u16 destination;
	u16 length;
	u16 checksum;
} packed;

// RFC 2784, with the key of RFC 2890.
struct gre {
	u16 flags;
	u16 protocol;
} packed;
enum { GRE_KEY = 0x2000 };

// RFC 7348; VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe) names the next protocol in a byte that VXLAN reserves.
struct vxlan {
	u8 flags;
	u8 reserved[2];
	u8 next;
	u32 vni;
} packed;
enum { VXLAN_OAM = 1, VXLAN_NEXT = 4, VXLAN_VNI = 8, GPE_ETHERNET = 3 };

// One entry of an MPLS label stack, RFC 3032: label 20 bits, class 3, bottom of stack 1, TTL 8.
enum { MPLS_BOTTOM = 0x100 };

// ICMP and ICMPv6 alike, RFC 792, 1191 and 4443: the MTU of "packet too big" in the last word (of ICMP: its lower half).
struct icmp {
	u8 type;
	u8 code;
	u16 checksum;
	u32 mtu;
} packed;

inlined u16 fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(u16)sum;
}
