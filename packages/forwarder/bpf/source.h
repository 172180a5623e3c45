// From where a pod may send: the addresses of its side of the connection, what the other side reaches through it, and its MAC.
// packages/forwarder/src/bpf/source-maps.ts writes the same structures.

enum permission {
	// Nothing is agreed on but the MAC address.
	ONLY_MAC = 1,
	// Any address of that version but link-local ones.
	ANY_IPV4 = 2,
	ANY_IPV6 = 4,
	// prefixes_map has more of that version.
	MORE_IPV4 = 8,
	MORE_IPV6 = 16,
	// Of an application on shared memory, which has no device: each frame may have a MAC address of the application's choice, and
	// speaks for that alone.
	ANY_MAC = 32,
};

// By the number of what the pod sends into: in the tunnels' maps the index of the node's end.
struct sources {
	u8 mac[6];
	u16 permissions;
	// 0: none.
	u32 ipv4;
	u32 ipv6[4];
	// The last half of the link-local address that follows from the MAC address (RFC 4291, appendix A).
	u32 link_local[2];
	// Tells its prefixes from others'.
	u32 list;
};

struct prefix {
	// Bits of what follows that count.
	u32 length;
	u32 list;
	u32 version;
	u32 address[4];
};
enum { PREFIX_OF_ADDRESS = 64 };

enum { MAX_SOURCES = 65536, MAX_PREFIXES = 1 << 20 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_SOURCES);
	__type(key, u32);
	__type(value, struct sources);
} sources_map SEC(".maps");

// The value says nothing.
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_PREFIXES);
	__type(key, struct prefix);
	__type(value, u32);
} prefixes_map SEC(".maps");

inlined int is_of(const u8 *mac, const struct sources *from)
{
	return !((mac[0] ^ from->mac[0]) | (mac[1] ^ from->mac[1]) | (mac[2] ^ from->mac[2]) | (mac[3] ^ from->mac[3]) |
		 (mac[4] ^ from->mac[4]) | (mac[5] ^ from->mac[5]));
}

inlined int may_use_ipv4(u32 address, const struct sources *from)
{
	if (address && address == from->ipv4)
		return 1;
	if (from->permissions & ANY_IPV4)
		return address != 0;
	if (!(from->permissions & MORE_IPV4))
		return 0;
	struct prefix prefix = { .length = PREFIX_OF_ADDRESS + 32, .list = from->list, .version = 4, .address = { address } };
	return bpf_map_lookup_elem(&prefixes_map, &prefix) != 0;
}

inlined int may_use_ipv6(const u32 *address, const struct sources *from)
{
	if (address[0] == from->ipv6[0] && address[1] == from->ipv6[1] && address[2] == from->ipv6[2] && address[3] == from->ipv6[3])
		return (address[0] | address[1] | address[2] | address[3]) != 0;
	if ((address[0] & swap32(0xffc00000)) == swap32(0xfe800000))
		return address[0] == swap32(0xfe800000) && !address[1] &&
		       ((from->permissions & ANY_MAC) ||
			(address[2] == from->link_local[0] && address[3] == from->link_local[1]));
	if (from->permissions & ANY_IPV6)
		return (address[0] | address[1] | address[2] | address[3]) != 0;
	if (!(from->permissions & MORE_IPV6))
		return 0;
	struct prefix prefix = { .length = PREFIX_OF_ADDRESS + 128, .list = from->list, .version = 6 };
	__builtin_memcpy(prefix.address, address, sizeof(prefix.address));
	return bpf_map_lookup_elem(&prefixes_map, &prefix) != 0;
}

// RFC 826, for IPv4 over Ethernet.
struct arp {
	u16 hardware;
	u16 protocol;
	u8 lengths[2];
	u16 operation;
	u8 sender[6];
	u32 address;
} packed;

inlined int foreign_arp(struct __sk_buff *skb, u32 offset, const struct sources *from)
{
	struct arp arp;
	if (bpf_skb_load_bytes(skb, offset, &arp, sizeof(arp)))
		return 1;
	if (arp.hardware != swap16(1) || arp.protocol != swap16(ETH_P_IP) || arp.lengths[0] != 6 || arp.lengths[1] != 4)
		return 1;
	// Address 0 asks whether somebody has an address already (RFC 5227), and teaches nobody.
	return !is_of(arp.sender, from) || (arp.address && !may_use_ipv4(arp.address, from));
}

// Types of ICMPv6: RFC 4861, 2710, 3810.
enum { MLD_QUERY = 130, MLD_DONE = 132, ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT, REDIRECT, MLD2_REPORT = 143 };
// Options of neighbour discovery that say who has an address, RFC 4861, 4.6.1; and how many options of any sort are followed.
enum { OPTION_SOURCE = 1, OPTION_TARGET = 2, MAX_OPTIONS = 6 };

struct neighbour_option {
	u8 type;
	// In units of 8 bytes.
	u8 length;
	u8 mac[6];
} packed;

// The messages of neighbour discovery say themselves who has which address. `offset`: of ICMPv6; `end`: of the packet.
inlined int foreign_discovery(struct __sk_buff *skb, u32 offset, u32 end, int unspecified, const struct sources *from)
{
	u8 type;
	u32 target[4];
	if (bpf_skb_load_bytes(skb, offset, &type, sizeof(type)))
		return 1;
	const int discovery = type >= ROUTER_SOLICITATION && type <= REDIRECT;
	// From address ::, whoever has none yet: duplicate address detection, and what goes along with that (RFC 4862, RFC 3590).
	if (unspecified && type != NEIGHBOUR_SOLICITATION && type != ROUTER_SOLICITATION && type != MLD2_REPORT &&
	    (type < MLD_QUERY || type > MLD_DONE))
		return 1;
	if (!discovery)
		return 0;
	// Which addresses a pod gets and where it routes is agreed on, and judged: these would give it more, by its own kernel.
	if (type == ROUTER_ADVERTISEMENT || type == REDIRECT)
		return 1;
	if (type == NEIGHBOUR_ADVERTISEMENT || (unspecified && type == NEIGHBOUR_SOLICITATION)) {
		if (bpf_skb_load_bytes(skb, offset + 8, target, sizeof(target)) || !may_use_ipv6(target, from))
			return 1;
	}
	offset += type == ROUTER_SOLICITATION ? 8 : 24;
#pragma unroll
	for (int n = 0; n < MAX_OPTIONS; n++) {
		struct neighbour_option option;
		if (offset + sizeof(option) > end)
			return 0;
		if (bpf_skb_load_bytes(skb, offset, &option, sizeof(option)) || !option.length)
			return 1;
		if ((option.type == OPTION_SOURCE || option.type == OPTION_TARGET) && !is_of(option.mac, from))
			return 1;
		offset += option.length * 8;
	}
	return offset + sizeof(struct neighbour_option) <= end;
}

inlined int foreign_ipv6(struct __sk_buff *skb, u32 offset, const struct sources *from)
{
	struct ipv6 ip;
	u32 source[4];
	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
		return 1;
	__builtin_memcpy(source, ip.source, sizeof(source));
	const int unspecified = !(source[0] | source[1] | source[2] | source[3]);
	if (!unspecified && !may_use_ipv6(source, from))
		return 1;
	u8 next = ip.next;
	const u32 end = offset + sizeof(ip) + swap16(ip.length);
	offset += sizeof(ip);
#pragma unroll
	for (int n = 0; n < MAX_EXTENSIONS; n++) {
		struct extension header;
		if (next == PROTO_ICMPV6)
			return foreign_discovery(skb, offset, end, unspecified, from);
		if (next != PROTO_HOP_BY_HOP && next != PROTO_ROUTING && next != PROTO_FRAGMENT && next != PROTO_OPTIONS)
			return unspecified;
		if (bpf_skb_load_bytes(skb, offset, &header, sizeof(header)))
			return 1;
		// Neighbour discovery is not taken from fragments (RFC 6980).
		if (next == PROTO_FRAGMENT && swap16(header.fragment) & IPV6_OFFSET)
			return unspecified;
		offset += next == PROTO_FRAGMENT ? 8 : 8 + header.length * 8;
		next = header.next;
	}
	return 1;
}

// Whether the pod may not send it, as it is not the pod's own.
inlined int foreign(struct __sk_buff *skb, const struct sources *from)
{
	struct ethernet ethernet;
	u32 offset = sizeof(ethernet);
	if (bpf_skb_load_bytes(skb, 0, &ethernet, sizeof(ethernet)))
		return 1;
	struct sources chosen;
	if (from->permissions & ANY_MAC) {
		__builtin_memcpy(&chosen, from, sizeof(chosen));
		__builtin_memcpy(chosen.mac, ethernet.source, sizeof(chosen.mac));
		from = &chosen;
	}
	if (!is_of(ethernet.source, from))
		return 1;
	if (from->permissions & ONLY_MAC)
		return 0;
	u16 type = ethernet.type;
#pragma unroll
	for (int n = 0; n < MAX_TAGS; n++) {
		struct tagged tagged;
		if (type != swap16(ETH_P_8021Q) && type != swap16(ETH_P_8021AD))
			break;
		if (bpf_skb_load_bytes(skb, offset, &tagged, sizeof(tagged)))
			return 1;
		type = tagged.type;
		offset += sizeof(tagged);
	}
	if (type == swap16(ETH_P_IP)) {
		u32 source;
		return bpf_skb_load_bytes(skb, offset + 12, &source, sizeof(source)) || !may_use_ipv4(source, from);
	}
	if (type == swap16(ETH_P_IPV6))
		return foreign_ipv6(skb, offset, from);
	if (type == swap16(ETH_P_ARP))
		return foreign_arp(skb, offset, from);
	// More tags than anybody needs.
	return type == swap16(ETH_P_8021Q) || type == swap16(ETH_P_8021AD);
}
