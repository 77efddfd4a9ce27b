package profile

import (
	"errors"
	"strings"
)

// The key of an object, and the fields within that are not T's:
//
//	[<namespace>:]profile:{<id>}   hash   the object, one field for each of T's, and
//	    @meta                             what is known about it (meta.go)
//	    @lease                            who is loading it (lua/lease.lua); alone in the hash while nothing is cached
const (
	metaField  = "@meta"
	leaseField = "@lease"
	reserved   = "@" // no field of T begins so
)

var errEmptyID = errors.New("the id is empty")

// escape keeps an id within its hash tag, which ends at the first closing brace. It is one to one, so two ids never share
// a key.
var escape = strings.NewReplacer("%", "%25", "}", "%7D")

func (s *Store[T]) key(id string) string {
	if strings.ContainsAny(id, "%}") {
		id = escape.Replace(id)
	}
	return s.prefix + id + "}"
}

// tag returns what the cluster hashes.
func (s *Store[T]) tag(key string) string { return key[len(s.prefix) : len(key)-1] }

func prefix(namespace string) string {
	if namespace != "" {
		namespace += ":"
	}
	return namespace + "profile:{"
}
