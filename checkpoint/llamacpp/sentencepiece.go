package llamacpp

import (
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// sentencePiece makes tokenizer.model: SentencePiece's ModelProto, a BPE whose bytes are tokens.
func (v *vocabulary) sentencePiece() (texts, error) {
	scores, err := v.m.meta.Floats("tokenizer.ggml.scores")
	if err != nil {
		return nil, err
	}
	if len(scores) != len(v.tokens) {
		return nil, fmt.Errorf("%d scores for %d tokens", len(scores), len(v.tokens))
	}
	space := true
	if on, err := v.m.meta.Bool("tokenizer.ggml.add_space_prefix"); err == nil {
		space = on
	}
	added := map[string]any{}
	for _, a := range v.added() {
		added[strconv.Itoa(a["id"].(int))] = a
	}
	config, err := v.config("LlamaTokenizer", map[string]any{"legacy": true, "add_bos_token": v.adds("bos", true),
		"add_eos_token": v.adds("eos", false), "added_tokens_decoder": added})
	return texts{"tokenizer.model": v.pieces(scores, space), "tokenizer_config.json": config}, err
}

// pieces encodes the protobuf message.
func (v *vocabulary) pieces(scores []float32, space bool) []byte {
	const bpe = 2
	var b []byte
	bytes := false
	for i, t := range v.tokens {
		var p []byte
		p = protowire.AppendTag(p, 1, protowire.BytesType)
		p = protowire.AppendString(p, t)
		p = protowire.AppendTag(p, 2, protowire.Fixed32Type)
		p = protowire.AppendFixed32(p, math.Float32bits(scores[i]))
		p = number(p, 3, v.types[i])
		b = message(b, 1, p)
		bytes = bytes || tokenType(v.types[i]) == byteToken
	}
	b = message(b, 2, number(number(nil, 3, bpe), 35, truth(bytes)))
	return message(b, 3, number(number(number(nil, 3, truth(space)), 4, 0), 5, 1))
}

func message(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}

func number(b []byte, field protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(n))
}

func truth(on bool) int {
	if on {
		return 1
	}
	return 0
}
