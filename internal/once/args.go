package once

import (
	"encoding"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrEncode is in the errors of commands with an argument that go-redis cannot
// send. Such a command is never handed on: it would close its connection, and
// fail all that share it.
var ErrEncode = errors.New("the argument cannot be encoded")

// Check says whether go-redis can send all arguments of cmd. It costs a look at
// each type, and for an [encoding.BinaryMarshaler] one more MarshalBinary.
func Check(cmd redis.Cmder) error {
	args := cmd.Args()
	if len(args) == 0 {
		return fmt.Errorf("a command without a name: %w", ErrEncode)
	}
	for i, arg := range args {
		if err := checkArg(arg); err != nil {
			return fmt.Errorf("argument %d of %s: %w", i, cmd.Name(), err)
		}
	}
	return nil
}

func checkArg(arg any) (err error) {
	switch v := arg.(type) {
	case nil, string, *string, []byte, int, int64, *int64, *scriptSHA:
		return nil
	case *int, int8, *int8, int16, *int16, int32, *int32, uint, *uint, uint8, *uint8,
		uint16, *uint16, uint32, *uint32, uint64, *uint64, uintptr, *uintptr,
		float32, *float32, float64, *float64, bool, *bool,
		time.Time, *time.Time, time.Duration, *time.Duration, net.IP:
		return nil
	case encoding.BinaryMarshaler:
		defer func() {
			if r := recover(); r != nil { // a nil pointer with a method by value
				err = fmt.Errorf("%T panics: %v: %w", arg, r, ErrEncode)
			}
		}()
		if _, err := v.MarshalBinary(); err != nil {
			return fmt.Errorf("%T: %w: %w", arg, err, ErrEncode)
		}
		return nil
	default:
		return fmt.Errorf("%T: %w", arg, ErrEncode)
	}
}
