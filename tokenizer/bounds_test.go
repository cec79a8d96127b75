package tokenizer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestBounds: files whose steps take too much time or memory for a text give an error, and no tokens.
func TestBounds(t *testing.T) {
	const model = `"model":{"type":"WordLevel","vocab":{"a":0,"<unk>":1},"unk_token":"<unk>"}`
	replace := `{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("a", 20) + `"}`
	byteLevel := `{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}`
	for name, c := range map[string]struct{ parts, text, want string }{
		"split":    {`"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated","invert":false}`, strings.Repeat("a", 59) + "!", "regular expression"},
		"replace":  {`"normalizer":{"type":"Replace","pattern":{"Regex":"(a|aa)+$"},"content":""}`, strings.Repeat("a", 59) + "!", "regular expression"},
		"decoder":  {`"decoder":{"type":"Replace","pattern":{"Regex":"(a|aa)+$"},"content":""}`, "", "regular expression"},
		"grows":    {`"normalizer":{"type":"Sequence","normalizers":[` + strings.Repeat(replace+",", 9) + replace + `]}`, "aaaaa", "bytes of a text of 5"},
		"one step": {`"normalizer":{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("a", 10000) + `"}`, strings.Repeat("a", 1000), "bytes of a text of 1000"},
		"bytes":    {`"pre_tokenizer":{"type":"Sequence","pretokenizers":[` + strings.Repeat(byteLevel+",", 63) + byteLevel + `]}`, "é", "bytes of a text of 2"},
		"fine":     {`"normalizer":` + replace, "a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			tok, err := Parse(fmt.Appendf(nil, `{"version":"1.0","added_tokens":[{"id":2,"content":%q,"special":false,"normalized":false}],%s,%s}`, strings.Repeat("a", 60)+"!", c.parts, model), nil)
			if err != nil {
				t.Fatal(err)
			}
			ids := tok.Encode(c.text, false)
			if c.text == "" {
				_ = tok.Decode([]int32{2}, false)
			}
			switch err := tok.Err(); {
			case c.want == "":
				if err != nil || len(ids) != 1 {
					t.Errorf("got %v, %v", ids, err)
				}
			case !errors.Is(err, ErrUnbounded) || !strings.Contains(err.Error(), c.want) || c.text != "" && len(ids) > 0:
				t.Errorf("got %v, %v; want %q", ids, err, c.want)
			}
			if d := time.Since(began); d > 30*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
	// An added token is normalized when the file is opened.
	_, err := Parse(fmt.Appendf(nil, `{"version":"1.0","added_tokens":[{"id":2,"content":%q,"special":false,"normalized":true}],"normalizer":{"type":"Replace","pattern":{"Regex":"(a|aa)+$"},"content":""},%s}`,
		strings.Repeat("a", 60)+"!", model), nil)
	if !errors.Is(err, ErrUnbounded) {
		t.Errorf("got %v", err)
	}
}
