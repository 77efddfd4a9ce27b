package codec_test

import (
	"fmt"

	"github.com/larder-go/larder/codec"
)

func Example() {
	type user struct {
		Name string
		Tags []string
	}
	data, err := codec.Msgpack.Marshal(user{Name: "Ada", Tags: []string{"admin"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var back user
	err = codec.Msgpack.Unmarshal(data, &back)
	fmt.Println(len(data), "bytes:", back, err)
	// Output: 22 bytes: {Ada [admin]} <nil>
}

func ExampleError() {
	_, err := codec.String.Marshal(map[string]int{"a": 1})
	fmt.Println(err)
	// Output: codec: string: marshal map[string]int: not a string, []byte, number or boolean
}
