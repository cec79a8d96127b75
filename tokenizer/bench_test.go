package tokenizer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// englishText is about 1 MB: $SPAGOTUNE_EVALDATA/tinyshakespeare/input.txt if it is there, else generated sentences.
func englishText() string {
	raw, err := os.ReadFile(filepath.Join(os.Getenv("SPAGOTUNE_EVALDATA"), "tinyshakespeare", "input.txt"))
	if err != nil {
		return generatedText(1 << 20)
	}
	return string(raw)
}

// generatedText returns n bytes, or a few more, of sentences that vary.
func generatedText(n int) string {
	words := strings.Fields("the king speaks of Harry's loss and his sword, yet nobody listened to 1,234 merry travellers who returned from Rome")
	var out strings.Builder
	for i := 0; out.Len() < n; i++ {
		w := words[(i*i+i/7)%len(words)]
		out.WriteString(w)
		if i%11 == 10 {
			out.WriteString(strings.ToUpper(w[:1]) + ".\n")
		} else {
			out.WriteByte(' ')
		}
	}
	return out.String()
}

func BenchmarkEncode(b *testing.B) {
	text := englishText()
	for _, dir := range goldenDirs(b, "*") {
		tk := loadGolden(b, dir)
		if tk == nil {
			continue
		}
		b.Run(filepath.Base(dir), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				tk.Encode(text, true)
			}
		})
	}
}

func BenchmarkEncodeFull(b *testing.B) {
	text := englishText()
	for _, dir := range goldenDirs(b, "*") {
		tk := loadGolden(b, dir)
		if tk == nil {
			continue
		}
		b.Run(filepath.Base(dir), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tk.EncodePlus(text, true)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	text := englishText()
	for _, dir := range goldenDirs(b, "*") {
		tk := loadGolden(b, dir)
		if tk == nil {
			continue
		}
		ids := tk.Encode(text, true)
		b.Run(filepath.Base(dir), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tk.Decode(ids, true)
			}
		})
	}
}
