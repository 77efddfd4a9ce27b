package once

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Code returns the code of a server's error: "WRONGTYPE", "OOM", "READONLY",
// "TRYAGAIN", "CROSSSLOT", "NOSCRIPT", "ERR" and so on. It finds it also where a
// script's error wraps it, as Redis 6 and miniredis word it, and calls a denial
// inside a script by its name, NOPERM. It returns "" for nil, for [redis.Nil] and
// for what no server said.
func Code(err error) string {
	if err == nil || errors.Is(err, redis.Nil) {
		return ""
	}
	re, ok := errors.AsType[redis.Error](err)
	if !ok {
		return ""
	}
	text := strings.TrimPrefix(re.Error(), "-")
	code := word(text)
	if code == "ERR" {
		rest := strings.TrimLeft(text[len(code):], " ")
		// As Redis words it until 7.0, and from 7.2 on, like Valkey.
		if strings.HasPrefix(rest, "The user executing the script") || strings.HasPrefix(rest, "ACL failure in script") {
			return "NOPERM"
		}
		// "ERR NOSCRIPT ..." of Kvrocks.
		if c := word(strings.TrimPrefix(rest, "-")); known(c) {
			return c
		}
		if c := wrapped(rest); c != "" {
			return c
		}
	}
	return code
}

// wrapped finds a code after the places that a wrapped text names, such as
// "Error running script (call to f_1): @user_script:1: WRONGTYPE ...".
func wrapped(text string) string {
	if !strings.Contains(text, "script") {
		return ""
	}
	for {
		_, after, ok := strings.Cut(text, ": ")
		if !ok {
			return ""
		}
		text = after
		if c := word(strings.TrimPrefix(text, "-")); known(c) {
			return c
		}
	}
}

// word returns the leading word of text if it is in capitals, and "" if not.
func word(text string) string {
	for i := range len(text) {
		c := text[i]
		if 'A' <= c && c <= 'Z' || i > 0 && (c == '_' || '0' <= c && c <= '9') {
			continue
		}
		if i > 1 && (c == ' ' || c == '\r' || c == '\n') {
			return text[:i]
		}
		return ""
	}
	if len(text) > 1 {
		return text
	}
	return ""
}

// known says whether c is a code that a wrapped text may hold.
func known(c string) bool {
	switch c {
	case "WRONGTYPE", "OOM", "READONLY", "TRYAGAIN", "CROSSSLOT", "NOSCRIPT",
		"NOPERM", "NOAUTH", "MISCONF", "NOREPLICAS", "LOADING", "BUSY",
		"CLUSTERDOWN", "MASTERDOWN", "MOVED", "ASK", "EXECABORT", "BUSYKEY",
		"INVALIDOBJ", "NOGROUP":
		return true
	default:
		return false
	}
}
