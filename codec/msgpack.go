package codec

import (
	"bytes"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

type msgpackCodec struct{}

func (msgpackCodec) Name() string { return "msgpack" }

var encoders = sync.Pool{New: func() any {
	w := new(buffer)
	return &encoder{w: w, enc: msgpack.NewEncoder(w)}
}}

type encoder struct {
	w   *buffer
	enc *msgpack.Encoder
}

func (c msgpackCodec) Marshal(v any) ([]byte, error) {
	data, err := encode(v)
	if err != nil {
		return nil, marshalError(c.Name(), v, err)
	}
	return data, nil
}

func encode(v any) (data []byte, err error) {
	if err := pointers(v); err != nil {
		return nil, err
	}
	if err := embedding(v); err != nil {
		return nil, err
	}
	e, ok := encoders.Get().(*encoder)
	if !ok {
		w := new(buffer)
		e = &encoder{w: w, enc: msgpack.NewEncoder(w)}
	}
	defer recovered(&err) // an encoder that panicked is not used again
	e.w.reset()
	e.enc.Reset(e.w)
	e.enc.UseCompactInts(true)
	if err := e.enc.Encode(v); err != nil {
		return nil, err
	}
	if err := scan(e.w.data, true); err != nil {
		return nil, err
	}
	data = bytes.Clone(e.w.data)
	if cap(e.w.data) <= 64<<10 { // one large value is no reason to keep much for ever
		encoders.Put(e)
	}
	return data, nil
}

// buffer looks into what was written each time that it has doubled: an encoder that is lost in a value that holds itself
// is stopped long before the stack ends, which nothing could recover from.
type buffer struct {
	data []byte
	look int
}

const firstLook = 16 << 10

func (b *buffer) reset() { b.data, b.look = b.data[:0], firstLook }

func (b *buffer) Write(p []byte) (int, error) {
	b.data = append(b.data, p...)
	return len(p), b.check()
}

func (b *buffer) WriteByte(c byte) error {
	b.data = append(b.data, c)
	return b.check()
}

func (b *buffer) check() error {
	if len(b.data) < b.look {
		return nil
	}
	b.look = 2 * len(b.data)
	return scan(b.data, false)
}

var decoders = sync.Pool{New: func() any { return newDecoder() }}

type decoder struct {
	r   *bytes.Reader
	dec *msgpack.Decoder
}

func newDecoder() *decoder {
	r := bytes.NewReader(nil)
	return &decoder{r: r, dec: msgpack.NewDecoder(r)}
}

func (c msgpackCodec) Unmarshal(data []byte, v any) error {
	if err := decode(data, v); err != nil {
		return unmarshalError(c.Name(), v, err)
	}
	return nil
}

func decode(data []byte, v any) (err error) {
	if err := target(v); err != nil {
		return err
	}
	if err := embedding(v); err != nil {
		return err
	}
	if err := scan(data, true); err != nil {
		return err
	}
	d, ok := decoders.Get().(*decoder)
	if !ok {
		d = newDecoder()
	}
	defer recovered(&err)
	d.r.Reset(data)
	d.dec.Reset(d.r)
	d.dec.UseLooseInterfaceDecoding(true)
	if err := d.dec.Decode(v); err != nil {
		return err
	}
	if d.r.Len() > 0 {
		return errTrailing
	}
	d.r.Reset(nil) // the pool does not keep the caller's bytes alive
	decoders.Put(d)
	return nil
}
