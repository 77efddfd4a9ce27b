package leaderboard

import (
	"strconv"
	"strings"
)

// The keys of a board, each with its Redis type. P is [namespace:]leaderboard:{name}:label, where the label is that of
// the period ("all", "2026", "2026-11", "2026-W47", "2026-11-22", "2026-11-22T13:00Z").
//
//	P:scores            sorted set   score of each member
//	P:data              hash         payload of each member, if SetData was used
//
// A board with another layout than the default one has the layout behind each part, so that two layouts never share a
// key, and a record that says which one it is:
//
//	P:scores-earliest   sorted set   EarliestFirst: 8 bytes of time before each member ("-earliest-lowest" with LowestFirst)
//	P:times-earliest    hash         those 8 bytes of each member
//	P:scores-dense      sorted set   Dense: score of each member
//	P:distinct-dense    sorted set   each score once
//	P:layout            string       the layout, such as "earliest-dense" or "of8"
//
// A sharded board has its shard's number within the hash tag, from 0, and how many there are behind each part:
// [namespace:]leaderboard:{name:3}:label:scores-of8. Its record is at P:layout, without a number.
const kind = "leaderboard:"

// The parts of a board that a script may name, as bits.
const (
	partScores = 1 << iota
	partTimes
	partDistinct
	partData
	partLayout
	parts = iota
)

// encodeName makes a name safe within a hash tag. What is encoded is the percent sign and both braces, so two names
// never become one.
func encodeName(name string) string {
	if !strings.ContainsAny(name, "%{}") {
		return name
	}
	return strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D").Replace(name)
}

// layoutOf names the layout of a board: what decides where and how it is stored. The default layout is "".
func layoutOf(opts Options) string {
	var names []string
	if opts.Ties == EarliestFirst {
		names = append(names, "earliest")
		if opts.Order == LowestFirst {
			names = append(names, "lowest") // the time is stored so that it sorts with the score
		}
	}
	if opts.Ranking == Dense {
		names = append(names, "dense")
	}
	if opts.Shards > 1 {
		names = append(names, "of"+strconv.Itoa(opts.Shards))
	}
	return strings.Join(names, "-")
}

// unit is what of a board lies in one slot: all of it, or one shard.
type unit struct {
	shard int
	names [parts]string
}

// keys returns the keys of the parts in mask, in the order of the bits.
func (u *unit) keys(mask int) []string {
	if mask == partScores {
		return u.names[:1:1]
	}
	keys := make([]string, 0, parts)
	for i, name := range u.names {
		if mask&(1<<i) != 0 {
			keys = append(keys, name)
		}
	}
	return keys
}

// scores returns the key of the sorted set.
func (u *unit) scores() string { return u.names[0] }

// data returns the key of the payloads.
func (u *unit) data() string { return u.names[3] }

// unitsOf builds the keys of a season: its units, the record of its layout, and the key that the scores of a board with
// the default layout would have.
func unitsOf(opts Options, name, label string) (units []unit, layout, plain string) {
	prefix := kind
	if opts.Namespace != "" {
		prefix = opts.Namespace + ":" + kind
	}
	tag := encodeName(name)
	suffix := layoutOf(opts)
	if suffix != "" {
		suffix = "-" + suffix
	}
	own := prefix + "{" + tag + "}:" + label + ":"
	layout, plain = own+"layout", own+"scores"
	units = make([]unit, opts.Shards)
	for i := range units {
		base := own
		if opts.Shards > 1 {
			base = prefix + "{" + tag + ":" + strconv.Itoa(i) + "}:" + label + ":"
		}
		units[i] = unit{shard: i, names: [parts]string{
			base + "scores" + suffix,
			base + "times" + suffix,
			base + "distinct" + suffix,
			base + "data" + suffix,
			layout,
		}}
	}
	return units, layout, plain
}

// shardOf spreads members over shards: FNV-1a of 64 bits, mixed once more, since its low bits alone are weak. It is part
// of what is stored, and never changes.
func shardOf(member string, shards int) int {
	if shards == 1 {
		return 0
	}
	h := uint64(14695981039346656037)
	for i := range len(member) {
		h ^= uint64(member[i])
		h *= 1099511628211
	}
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	return int(h % uint64(shards)) //nolint:gosec // below shards, which is an int above 0
}

// typeOf is the Redis type that a key of a board has.
func typeOf(key string) string {
	part := key[strings.LastIndexByte(key, ':')+1:]
	part, _, _ = strings.Cut(part, "-")
	switch part {
	case "times", "data":
		return "hash"
	case "layout":
		return "string"
	default:
		return "zset"
	}
}
