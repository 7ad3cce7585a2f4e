package cloudevent

import (
	"encoding/json"
	"errors"
	"fmt"
)

// dataBase64 is the member of a structured event that has binary data.
const dataBase64 = "data_base64"

// unpack checks a structured event before the SDK reads it, and separates its binary data. The SDK would quote an
// invalid event in its error, many times larger than it came, and it decodes base64 one byte at a time: for an image
// that is a second of processor time, which any caller could ask for.
func unpack(structured []byte) (rest, data []byte, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(structured, &members); err != nil {
		return nil, nil, errors.New("the body is not a JSON object")
	}
	if err := checkAttributes(members); err != nil {
		return nil, nil, err
	}
	encoded, found := members[dataBase64]
	if !found {
		return structured, nil, nil
	}
	if err := json.Unmarshal(encoded, &data); err != nil {
		return nil, nil, fmt.Errorf("%s is not base64", dataBase64)
	}
	delete(members, dataBase64)
	rest, err = json.Marshal(members)
	return rest, data, err
}

// checkAttributes refuses attributes that are not a string, number or boolean, or that are too long together.
func checkAttributes(members map[string]json.RawMessage) error {
	length := 0
	for name, value := range members {
		if name == "data" || name == dataBase64 {
			continue
		}
		if value[0] == '{' || value[0] == '[' {
			return fmt.Errorf("attribute %.90q is an object or an array", name)
		}
		if length += len(name) + len(value); length > MaxEvent {
			return fmt.Errorf("its attributes are longer than %d bytes", MaxEvent)
		}
	}
	return nil
}
