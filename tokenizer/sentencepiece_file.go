package tokenizer

import (
	"fmt"
	"math"
)

// spmFile is the part of a SentencePiece model file (the protobuf ModelProto) that concerns encoding and decoding.
type spmFile struct {
	pieces       []spmPiece
	modelType    uint64 // 1 Unigram, 2 BPE
	byteFallback bool
	suffixSpace  bool   // treat_whitespace_as_suffix
	unkSurface   string // what Decode writes for the unknown piece
	norm, denorm spmRules
}

// spmPiece is one entry of the vocabulary.
type spmPiece struct {
	text  string
	score float32
	kind  pieceKind
}

// pieceKind is the type of a piece, numbered as in the file.
type pieceKind uint64

const (
	normalPiece      pieceKind = 1 + iota
	unknownPiece               // stands for text that no other piece covers
	controlPiece               // never found in a text, such as <s>
	userDefinedPiece           // is always one token where it occurs in a text
	unusedPiece
	bytePiece // <0x00> to <0xFF>
)

// inText says whether such a piece can be found in a text.
func (k pieceKind) inText() bool { return k == normalPiece || k == userDefinedPiece }

// spmRules is a NormalizerSpec.
type spmRules struct {
	charsmap                               []byte
	dummyPrefix, removeExtra, escapeSpaces bool
}

// maxPieceLen bounds a piece, in bytes. Training makes none of more than 16 characters.
const maxPieceLen = 512

// parseSPM reads a SentencePiece model.
func parseSPM(raw []byte) (*spmFile, error) {
	rules := spmRules{dummyPrefix: true, removeExtra: true, escapeSpaces: true}
	f := &spmFile{modelType: 1, unkSurface: " \u2047 ", norm: rules, denorm: rules}
	err := eachField(raw, func(v field) error {
		switch v.num {
		case 1:
			return f.addPiece(v)
		case 2:
			return v.message("trainer_spec", f.trainerField)
		case 3:
			return v.message("normalizer_spec", f.norm.field)
		case 5:
			return v.message("denormalizer_spec", f.denorm.field)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, f.check()
}

func (f *spmFile) addPiece(v field) error {
	p := spmPiece{kind: normalPiece}
	where := fmt.Sprintf("piece %d", len(f.pieces))
	err := v.message(where, func(v field) (err error) {
		switch v.num {
		case 1:
			p.text, err = v.text("piece", maxPieceLen)
		case 2:
			p.score, err = v.float("score")
		case 3:
			var kind uint64
			kind, err = v.number("type")
			p.kind = pieceKind(kind)
		}
		return err
	})
	if err != nil {
		return err
	}
	score := float64(p.score)
	switch {
	case p.text == "":
		return fmt.Errorf("%s is empty", where)
	case p.kind < normalPiece || p.kind > bytePiece:
		return fmt.Errorf("%s %q has type %d, want 1 to 6", where, p.text, p.kind)
	case math.IsNaN(score) || math.IsInf(score, 0):
		return fmt.Errorf("%s %q has score %v, want a finite number", where, p.text, p.score)
	}
	f.pieces = append(f.pieces, p)
	return nil
}

func (f *spmFile) trainerField(v field) (err error) {
	switch v.num {
	case 3:
		f.modelType, err = v.number("model_type")
	case 24:
		f.suffixSpace, err = v.bool("treat_whitespace_as_suffix")
	case 35:
		f.byteFallback, err = v.bool("byte_fallback")
	case 44:
		f.unkSurface, err = v.text("unk_surface", maxPieceLen)
	}
	return err
}

func (r *spmRules) field(v field) (err error) {
	switch v.num {
	case 2:
		r.charsmap, err = v.bytes("precompiled_charsmap")
	case 3:
		r.dummyPrefix, err = v.bool("add_dummy_prefix")
	case 4:
		r.removeExtra, err = v.bool("remove_extra_whitespaces")
	case 5:
		r.escapeSpaces, err = v.bool("escape_whitespaces")
	}
	return err
}

// check makes sure of what encoding and decoding rely on.
func (f *spmFile) check() error {
	if f.modelType != 1 && f.modelType != 2 {
		return fmt.Errorf("model_type %d is %w; known: 1 (Unigram), 2 (BPE)", f.modelType, ErrUnsupported)
	}
	seen := [2]map[string]int{{}, {}} // the pieces that are found in texts, and the others
	unknown, bytes := 0, map[string]bool{}
	for i, p := range f.pieces {
		names := seen[0]
		switch p.kind {
		case unknownPiece:
			unknown++
			names = seen[1]
		case controlPiece:
			names = seen[1]
		case bytePiece:
			if _, ok := byteToken(p.text); !ok || !f.byteFallback {
				return fmt.Errorf("piece %d %q is a byte, want <0x00> to <0xFF> and byte_fallback set", i, p.text)
			}
			bytes[p.text] = true
			names = seen[1]
		}
		if j, ok := names[p.text]; ok {
			return fmt.Errorf("pieces %d and %d are both %q", j, i, p.text)
		}
		names[p.text] = i
	}
	if unknown != 1 {
		return fmt.Errorf("%d of %d pieces have the type unknown, want 1", unknown, len(f.pieces))
	}
	if f.byteFallback && len(bytes) != 256 {
		return fmt.Errorf("byte_fallback is set, but there are %d byte pieces, want 256", len(bytes))
	}
	return nil
}
