package tokenizer_test

import (
	"fmt"
	"log"

	"github.com/spagotune/spagotune/tokenizer"
)

const smollm2 = "../testdata/golden/tokenizers/smollm2"

func ExampleLoad() {
	t, err := tokenizer.Load(smollm2)
	if err != nil {
		log.Fatal(err)
	}
	ids := t.Encode("Hello, world! <|im_end|>", true)
	fmt.Println(ids)
	fmt.Printf("%q\n", t.Decode(ids, true))
	fmt.Println(t.VocabSize())
	// Output: [19556 28 905 17 216 2] "Hello, world! " 49152
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
	// Output: 3546 na [0 2] 46494 Ã¯ve [2 5] 216 Ġ [5 6] 36 4 [6 7] 34 2 [7 8]
}

func ExampleStream() {
	t, err := tokenizer.Load(smollm2)
	if err != nil {
		log.Fatal(err)
	}
	s := t.NewStream(true)
	for _, id := range t.Encode("It is 20 °C 🫠.", false) {
		fmt.Printf("%q ", s.Add(id))
	}
	fmt.Printf("%q\n", s.Flush())
	// Output: "It" " is" " " "2" "0" " °" "C" " " "" "🫠" "." ""
}
