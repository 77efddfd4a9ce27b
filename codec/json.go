package codec

import "encoding/json"

type jsonCodec struct{}

func (jsonCodec) Name() string { return "json" }

func (c jsonCodec) Marshal(v any) ([]byte, error) {
	data, err := encodeJSON(v)
	if err != nil {
		return nil, marshalError(c.Name(), v, err)
	}
	return data, nil
}

func encodeJSON(v any) (data []byte, err error) {
	defer recovered(&err)
	if err := pointers(v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func (c jsonCodec) Unmarshal(data []byte, v any) error {
	if err := decodeJSON(data, v); err != nil {
		return unmarshalError(c.Name(), v, err)
	}
	return nil
}

func decodeJSON(data []byte, v any) (err error) {
	defer recovered(&err)
	if err := target(v); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}
