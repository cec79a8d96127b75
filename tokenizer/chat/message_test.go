package chat

import (
	"encoding/json"
	"testing"
)

func TestMessageJSON(t *testing.T) {
	for _, data := range []string{
		`{"role":"user","content":"a"}`,
		`{"content":null,"tool_calls":[{"z":1,"a":2.5}],"role":"assistant"}`,
		`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image"}],"name":"b"}`,
		`{"content":"only"}`,
		`{"role":1,"big":123456789012345678901234567890}`,
	} {
		var m Message
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(m)
		if err != nil || string(got) != data {
			t.Errorf("got  %s, %v\nwant %s", got, err, data)
		}
	}
	for _, data := range []string{`1`, `[]`, `{"a":`, `null x`} {
		var m Message
		if err := json.Unmarshal([]byte(data), &m); err == nil {
			t.Errorf("%s: no error", data)
		}
	}
}

// FuzzMessage checks that a message is written with the keys and values that were read.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"role":"user","content":[{"type":"text","text":"a"}],"x":{"b":1e400,"a":[null,12345678901234567890]}}`))
	f.Add([]byte(`{"content":1,"content":"a"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m, again Message
		if json.Unmarshal(data, &m) != nil {
			return
		}
		first, err := json.Marshal(m)
		if err != nil {
			return // an infinite number
		}
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatal(err)
		}
		if second, err := json.Marshal(again); err != nil || string(second) != string(first) {
			t.Errorf("%s: written as %s, then as %s (%v)", data, first, second, err)
		}
	})
}
