package tokenizer

import (
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// spmBytes builds the file of a SentencePiece model.
type spmBytes struct{ raw []byte }

func (b *spmBytes) message(num protowire.Number, fields func(*spmBytes)) *spmBytes {
	var in spmBytes
	fields(&in)
	b.raw = protowire.AppendBytes(protowire.AppendTag(b.raw, num, protowire.BytesType), in.raw)
	return b
}

func (b *spmBytes) number(num protowire.Number, v uint64) *spmBytes {
	b.raw = protowire.AppendVarint(protowire.AppendTag(b.raw, num, protowire.VarintType), v)
	return b
}

func (b *spmBytes) text(num protowire.Number, v string) *spmBytes {
	b.raw = protowire.AppendString(protowire.AppendTag(b.raw, num, protowire.BytesType), v)
	return b
}

func (b *spmBytes) piece(text string, score float32, kind pieceKind) *spmBytes {
	return b.message(1, func(p *spmBytes) {
		p.text(1, text)
		p.raw = protowire.AppendFixed32(protowire.AppendTag(p.raw, 2, protowire.Fixed32Type), math.Float32bits(score))
		p.number(3, uint64(kind))
	})
}

// smallSPM is a model of a few pieces; trainer adds fields to its trainer_spec.
func smallSPM(modelType uint64, trainer func(*spmBytes)) *spmBytes {
	var b spmBytes
	b.piece("<unk>", 0, unknownPiece).piece("<s>", 0, controlPiece).piece("</s>", 0, controlPiece)
	for i, text := range []string{"▁", "a", "b", "ab", "▁ab"} {
		b.piece(text, float32(i-8), normalPiece)
	}
	return b.message(2, func(t *spmBytes) {
		t.number(3, modelType)
		if trainer != nil {
			trainer(t)
		}
	})
}

// parseSmallSPM makes a tokenizer from such a file alone.
func parseSmallSPM(raw []byte) (*Tokenizer, error) {
	f, err := parseSPM(raw)
	if err != nil {
		return nil, err
	}
	t, err := spmTokenizer(f, &classOptions{}, func(f *spmFile) (*spmModel, error) { return newSPMModel(f, spmLayout{}) })
	if err != nil {
		return nil, err
	}
	return t, t.finish(&tokenClass{}, &tokenizerConfig{})
}

func TestSPMErrors(t *testing.T) {
	good := smallSPM(1, nil).raw
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "0 of 0 pieces have the type unknown"},
		{"no protobuf", []byte("{\"version\": \"1.0\"}"), "byte 0"},
		{"truncated", good[:len(good)-1], "field 2"},
		{"size that lies", append([]byte{0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x07}, good...), "byte 0: field 1"},
		{"NaN", new(spmBytes).piece("a", float32(math.NaN()), normalPiece).raw, "score NaN"},
		{"infinite", new(spmBytes).piece("a", float32(math.Inf(-1)), normalPiece).raw, "score -Inf"},
		{"empty piece", new(spmBytes).piece("", 0, normalPiece).raw, "piece 0 is empty"},
		{"long piece", new(spmBytes).piece(strings.Repeat("a", maxPieceLen+1), 0, normalPiece).raw, "at most 512"},
		{"invalid UTF-8", new(spmBytes).piece("\xff", 0, normalPiece).raw, "UTF-8"},
		{"type", new(spmBytes).piece("a", 0, 7).raw, "type 7"},
		{"wire type", new(spmBytes).number(1, 5).raw, "wire type 0, want 2"},
		{"same piece", smallSPM(1, nil).piece("ab", 0, normalPiece).raw, "both \"ab\""},
		{"two unknown", smallSPM(1, nil).piece("<u>", 0, unknownPiece).raw, "2 of 9 pieces"},
		{"byte piece", smallSPM(1, nil).piece("<0x41>", 0, bytePiece).raw, "byte_fallback"},
		{"bytes missing", smallSPM(1, func(s *spmBytes) { s.number(35, 1) }).raw, "0 byte pieces, want 256"},
		{"word model", smallSPM(3, nil).raw, "model_type 3 is not supported"},
		{"unused in BPE", smallSPM(2, nil).piece("c", 0, unusedPiece).raw, "unused"},
		{"charsmap", smallSPM(1, nil).message(3, func(s *spmBytes) { s.text(2, "\xff\xff\xff\xff") }).raw, "precompiled_charsmap"},
		{"denormalizer", smallSPM(1, nil).message(5, func(s *spmBytes) { s.text(2, "abc") }).raw, "denormalizer: precompiled_charsmap"},
		{"replacement", smallSPM(1, nil).message(3, func(s *spmBytes) { s.text(2, "\x04\x00\x00\x00\x00\x00\x00\x00"+strings.Repeat("x", 999)) }).raw, "999 bytes"},
	} {
		if _, err := parseSmallSPM(c.raw); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// TestSPMDamaged cuts a file off at every byte, and changes every byte. The reader may accept or refuse it; what it
// accepts must work.
func TestSPMDamaged(t *testing.T) {
	for _, modelType := range []uint64{1, 2} {
		good := smallSPM(modelType, nil).message(3, func(s *spmBytes) { s.number(3, 1).text(2, "\x04\x00\x00\x00\x00\x00\x00\x00x") }).raw
		accepted := 0
		try := func(raw []byte) {
			if tk, err := parseSmallSPM(raw); err == nil {
				accepted++
				e := tk.EncodePair("ab  c ba", "▁ab<s>", true)
				tk.Decode(e.IDs, false)
			}
		}
		for i := range good {
			try(good[:i])
			for _, b := range []byte{0, 1, 2, 8, 0x7F, 0x80, 0xFF} {
				bad := append([]byte(nil), good...)
				bad[i] = b
				try(bad)
			}
		}
		if accepted == 0 {
			t.Error("no damaged file was accepted")
		}
	}
}

func TestSPMOffsets(t *testing.T) {
	tk, err := parseSmallSPM(smallSPM(1, nil).raw)
	if err != nil {
		t.Fatal(err)
	}
	e := tk.EncodePlus("  ab  éébab ", false)
	same(t, 0, "", "tokens", e.Tokens, []string{"▁ab", "▁", "éé", "b", "ab"})
	same(t, 0, "", "offsets", e.Offsets, [][2]int{{2, 4}, {4, 5}, {6, 8}, {8, 9}, {9, 11}})
	e = tk.EncodeWords([]string{"ab", "", "éa"}, true)
	same(t, 0, "", "tokens of words", e.Tokens, []string{"▁ab", "▁", "é", "a"})
	same(t, 0, "", "words", e.WordIDs, []int32{0, 2, 2, 2})
	same(t, 0, "", "offsets in words", e.Offsets, [][2]int{{0, 2}, {0, 0}, {0, 1}, {1, 2}})
	if !tk.IsSpecial(1) || tk.IsSpecial(4) || tk.IsSpecial(99) {
		t.Error("<s>, and only that of these, should be special")
	}
}

// TestSPMLongInput makes sure that no input takes more time than its length justifies where pieces go over words.
func TestSPMLongInput(t *testing.T) {
	for _, modelType := range []uint64{1, 2} {
		tk, err := parseSmallSPM(smallSPM(modelType, nil).piece("b▁a", -9, normalPiece).piece("a▁", 0, userDefinedPiece).raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{strings.Repeat("ab ", 1<<16), strings.Repeat(" ", 1<<18), strings.Repeat("é", 1<<17)} {
			start := time.Now()
			tk.EncodePlus(text, true)
			if d := time.Since(start); d > 3*time.Second { // about 60 ms on a machine that does nothing else
				t.Errorf("model type %d: %d bytes of %q take %v", modelType, len(text), text[:3], d)
			}
		}
	}
}
