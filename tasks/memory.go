package tasks

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
)

func init() {
	Register("memory", func() Task { return &Memory{Pairs: 100, Format: "lines"} })
}

// uuidLength is the length of a UUID as text.
const uuidLength = 36

// Memory is the memorisation test of the MoRA paper (section 3, Table 2): random pairs of UUIDs, which can only be
// learned by heart. All splits are the same pairs. The score is the character accuracy of the value's 32 hexadecimal
// digits, of which guessing gets 9.8 %, the paper's floor of 9.9 %.
type Memory struct {
	// Pairs is the number of pairs.
	Pairs int `json:"pairs"`
	// Seed chooses the pairs: pair i depends on the seed and i alone.
	Seed uint64 `json:"seed"`
	// Format is "lines", for "key\nvalue\n", or "colon", for "key:value" as in the released recipe.
	Format string `json:"format"`
	// ScoreKey takes the loss on the key too, as the released recipe does.
	ScoreKey bool `json:"score_key"`
	// Dashes scores the four dashes too, which are always the same: guessing gets 19.8 % then.
	Dashes bool `json:"dashes,omitempty"` // earlier files of answers have a digest of the JSON without it
}

var _ interface {
	Generator
	Checker
	Describer
	Guesser
} = (*Memory)(nil)

// Describe says what the task is.
func (m *Memory) Describe() string {
	return "random pairs of UUIDs to learn by heart; score: character accuracy of the value"
}

// Check returns an error if an option is out of range.
func (m *Memory) Check() error {
	if m.Pairs < 1 || m.Pairs > 10_000_000 {
		return fmt.Errorf("option pairs is %d, want 1 to 10,000,000", m.Pairs)
	}
	if m.Format != "lines" && m.Format != "colon" {
		return fmt.Errorf("option format is %q, want lines or colon", m.Format)
	}
	return nil
}

// Examples yields the pairs.
func (m *Memory) Examples(Split) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		for i := range m.Pairs {
			if !yield(m.example(i), nil) {
				return
			}
		}
	}
}

func (m *Memory) example(i int) Example {
	key, value := pair(m.Seed, uint64(i))
	between, end := "\n", "\n"
	if m.Format == "colon" {
		between, end = ":", ""
	}
	return Example{
		Segments:  []Segment{{Text: key + between, Scored: m.ScoreKey}, {Text: value + end, Scored: true}},
		Prompt:    key + between,
		Reference: value,
		Source:    fmt.Sprintf("pair %d", i+1),
	}
}

// Generation leaves room for one token for each character.
func (m *Memory) Generation() GenerationOptions {
	return GenerationOptions{MaxNewTokens: uuidLength + 4, Stop: []string{"\n"}}
}

// Score is the share of the value's digits, and with Dashes of its characters, that the answer has at the same place.
func (m *Memory) Score(want Example, got string) float64 {
	got = strings.TrimSpace(got)
	right, scored := 0, 0
	for i := range len(want.Reference) {
		if want.Reference[i] == '-' && !m.Dashes {
			continue
		}
		scored++
		if i < len(got) && got[i] == want.Reference[i] {
			right++
		}
	}
	return float64(right) / float64(max(1, scored))
}

// Guesses counts what a UUID of version 4 tells beforehand: the dashes and the version's digit, and two of the four bits
// of the variant's digit. The other 30 digits are right once in 16 times.
func (m *Memory) Guesses([]Example) Guesses {
	const known, digits = 1 + 1.0/4 + 30.0/16, 32
	chance := known / digits
	if m.Dashes {
		chance = (known + 4) / (digits + 4)
	}
	return Guesses{Chance: &chance}
}

// pair is pair number i of a seed.
func pair(seed, i uint64) (key, value string) {
	var k [32]byte
	binary.LittleEndian.PutUint64(k[:], seed)
	binary.LittleEndian.PutUint64(k[8:], i)
	copy(k[16:], "memory pairs")
	r := rand.NewChaCha8(k)
	return uuid(r), uuid(r)
}

// uuid is a random UUID (version 4, RFC 9562).
func uuid(r rand.Source) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], r.Uint64())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
