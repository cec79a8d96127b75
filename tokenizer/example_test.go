package tokenizer_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"testing/fstest"

	"github.com/spagotune/spagotune/tokenizer"
)

const (
	smollm2 = "../testdata/golden/tokenizers/smollm2"
	bert    = "../testdata/golden/tokenizers/bert_minilm"
)

func Example() {
	t, err := tokenizer.Load(smollm2)
	if err != nil {
		log.Fatal(err)
	}
	ids := t.Encode("Hello, world! <|im_end|>", true)
	fmt.Println(ids)
	fmt.Printf("%q\n", t.Decode(ids, false))
	fmt.Printf("%q\n", t.Decode(ids, true))
	// Output:
	// [19556 28 905 17 216 2]
	// "Hello, world! <|im_end|>"
	// "Hello, world! "
}

func ExampleLoad() {
	t, err := tokenizer.Load(smollm2)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.VocabSize())
	id, ok := t.ID("<|im_end|>")
	fmt.Println(id, ok, t.IsSpecial(id))
	fmt.Println(t.Token(28))
	// Output:
	// 49152
	// 2 true true
	// , true
}

// A folder in memory has BERT's vocab.txt alone, so it is BERT's tokenizer.
func ExampleLoadFS() {
	files := fstest.MapFS{"vocab.txt": {Data: []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n")}}
	t, err := tokenizer.LoadFS(files)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.EncodePlus("Hello worlds", true).Tokens)
	_, err = tokenizer.LoadFS(fstest.MapFS{})
	fmt.Println(errors.Is(err, tokenizer.ErrNoTokenizer))
	// Output:
	// [[CLS] hello world ##s [SEP]]
	// true
}

func ExampleParse() {
	raw, err := os.ReadFile(bert + "/tokenizer.json")
	if err != nil {
		log.Fatal(err)
	}
	t, err := tokenizer.Parse(raw, []byte(`{"mask_token": "[MASK]"}`))
	if err != nil {
		log.Fatal(err)
	}
	mask, _ := t.Mask()
	fmt.Println(t.Encode("Paris is in [MASK].", true), mask)

	_, err = tokenizer.Parse([]byte(`{"model": {"type": "NGram"}}`), nil)
	fmt.Println(err)
	fmt.Println(errors.Is(err, tokenizer.ErrUnsupported))
	// Output:
	// [101 3000 2003 1999 103 1012 102] 103
	// tokenizer: tokenizer.json: model: type "NGram" is not supported; known: BPE, Unigram, WordLevel, WordPiece
	// true
}

func ExampleTokenizer_EncodePlus() {
	t, err := tokenizer.Load(smollm2)
	if err != nil {
		log.Fatal(err)
	}
	e := t.EncodePlus("naïve 42", false)
	for i := range e.IDs {
		fmt.Println(e.IDs[i], e.Tokens[i], e.Offsets[i])
	}
	// Output:
	// 3546 na [0 2]
	// 46494 Ã¯ve [2 5]
	// 216 Ġ [5 6]
	// 36 4 [6 7]
	// 34 2 [7 8]
}

func ExampleTokenizer_EncodePair() {
	t, err := tokenizer.Load(bert)
	if err != nil {
		log.Fatal(err)
	}
	e := t.EncodePair("Who sings?", "She does.", true)
	fmt.Println(e.Tokens)
	fmt.Println(e.TypeIDs)
	fmt.Println(e.SpecialTokensMask)
	// Output:
	// [[CLS] who sings ? [SEP] she does . [SEP]]
	// [0 0 0 0 0 1 1 1 1]
	// [true false false false true false false false true]
}

func ExampleTokenizer_EncodeWords() {
	t, err := tokenizer.Load(bert)
	if err != nil {
		log.Fatal(err)
	}
	e := t.EncodeWords([]string{"Wolfgang", "lives", "in", "Tübingen"}, true)
	fmt.Println(e.Tokens)
	fmt.Println(e.WordIDs)
	// Output:
	// [[CLS] wolfgang lives in tub ##ingen [SEP]]
	// [-1 0 1 2 3 3 -1]
}

func ExampleTokenizer_NewStream() {
	t, err := tokenizer.Load(smollm2)
	if err != nil {
		log.Fatal(err)
	}
	s := t.NewStream(true)
	for _, id := range t.Encode("It is 20 °C 🫠.", false) {
		fmt.Printf("%q ", s.Add(id))
	}
	fmt.Printf("%q\n", s.Flush())
	// Output:
	// "It" " is" " " "2" "0" " °" "C" " " "" "🫠" "." ""
}

func ExampleTrain() {
	texts := func(yield func(string, error) bool) {
		for range 3 {
			if !yield("low lower lowest", nil) {
				return
			}
		}
	}
	t, err := tokenizer.Train(texts, tokenizer.TrainOptions{VocabSize: 265, SpecialTokens: []string{"<|endoftext|>"}})
	if err != nil {
		log.Fatal(err)
	}
	e := t.EncodePlus("lowest", false)
	fmt.Println(t.VocabSize(), e.Tokens)
	fmt.Println(slices.Equal(e.IDs, t.Encode("lowest", false)), len(t.JSON) > 0)
	// Output:
	// 264 [low e st]
	// true true
}
