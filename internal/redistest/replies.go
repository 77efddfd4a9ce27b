package redistest

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

func splitWords(line string) []string { return strings.Fields(line) }
