package snapshot

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// isReply says whether an error is what a server answered, for one command of several.
func isReply(err error) bool {
	if err == nil { // nearly always
		return false
	}
	var reply redis.Error
	return errors.As(err, &reply)
}

// isCode says whether a server answered with an error of this code.
func isCode(err error, code string) bool {
	return isReply(err) && strings.HasPrefix(err.Error(), code)
}

// unknown says whether a server has no such command, or allows it to nobody.
func unknown(err error) bool {
	if !isReply(err) {
		return false
	}
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "unknown command") || strings.Contains(text, "unknown subcommand") ||
		strings.Contains(text, "unknown redis command")
}

// moved says whether a node answered that a key is, or is about to be, another's.
func moved(err error) bool {
	for _, code := range []string{"MOVED ", "ASK ", "TRYAGAIN", "CLUSTERDOWN"} {
		if isCode(err, code) {
			return true
		}
	}
	return false
}

// lookUp finds a field of a reply that is a map in RESP3 and a list of names and values in RESP2.
func lookUp(reply any, name string) string {
	switch fields := reply.(type) {
	case map[any]any:
		if v, ok := fields[name]; ok {
			return fmt.Sprint(v)
		}
	case []any:
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i] == name {
				return fmt.Sprint(fields[i+1])
			}
		}
	}
	return ""
}
