package tokenizer

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// TrainOptions are the settings of Train.
type TrainOptions struct {
	// VocabSize is the number of tokens: special ones, 256 bytes, and merges. If there is little text there may be
	// fewer merges.
	VocabSize int
	// MinFrequency is how often a pair must occur to be merged. 0 means 2.
	MinFrequency int
	// SpecialTokens are the first tokens. The first of them is the end-of-text token.
	SpecialTokens []string
}

// Trained is a tokenizer that Train made.
type Trained struct {
	*Tokenizer
	// JSON and Config are the content of its tokenizer.json and tokenizer_config.json.
	JSON, Config []byte
}

// Train learns a byte-level byte pair encoding from texts (Sennrich et al. 2016, arXiv 1508.07909; over bytes as in
// GPT-2). Again and again, the pair of neighbours that is most frequent within words becomes a token; of equally
// frequent pairs, the one with the smaller ids. Words are split by GPT-2's pattern. The result equals what Hugging
// Face's tokenizers library learns.
//
// An error from texts ends the training and is returned.
func Train(texts iter.Seq2[string, error], o TrainOptions) (*Trained, error) {
	if o.MinFrequency == 0 {
		o.MinFrequency = 2
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("tokenizer: train: %w", err)
	}
	t := newBPETrainer(o)
	for text, err := range texts {
		if err != nil {
			return nil, fmt.Errorf("tokenizer: train: %w", err)
		}
		t.count(text)
	}
	if len(t.words) == 0 {
		return nil, errors.New("tokenizer: train: there is no text")
	}
	t.learn()
	return t.files()
}

// maxTrainVocab bounds the vocabulary. The largest in use have a quarter of a million tokens.
const maxTrainVocab = 1 << 20

func (o TrainOptions) check() error {
	seen := map[string]bool{}
	for _, s := range o.SpecialTokens {
		if s == "" || seen[s] {
			return fmt.Errorf("special token %q is empty or there twice", s)
		}
		seen[s] = true
	}
	if least := len(byteToRune) + len(o.SpecialTokens); o.VocabSize < least || o.VocabSize > maxTrainVocab {
		return fmt.Errorf("vocabulary size is %d, want %d (bytes and special tokens) to %d", o.VocabSize, least, maxTrainVocab)
	}
	if o.MinFrequency < 1 {
		return fmt.Errorf("least frequency is %d, want 1 or more", o.MinFrequency)
	}
	return nil
}

// tokenPair is a pair of neighbouring tokens.
type tokenPair struct{ left, right int32 }

// bpeTrainer is the state of Train.
type bpeTrainer struct {
	o      TrainOptions
	words  map[string]*trainWord
	tokens []string
	ids    map[string]int32
	merges [][2]string

	counts map[tokenPair]int // how often each pair occurs
	where  map[tokenPair][]*trainWord
	queue  pairQueue
}

// trainWord is a word of the texts, as the tokens that it consists of so far.
type trainWord struct {
	tokens []int32
	count  int
}

func newBPETrainer(o TrainOptions) *bpeTrainer {
	t := &bpeTrainer{o: o, words: map[string]*trainWord{}, ids: map[string]int32{}, counts: map[tokenPair]int{}, where: map[tokenPair][]*trainWord{}}
	for _, s := range o.SpecialTokens {
		t.id(s)
	}
	for _, r := range slices.Sorted(slices.Values(byteToRune[:])) {
		t.id(string(r))
	}
	return t
}

// id returns the id of a token. A new token gets the next one.
func (t *bpeTrainer) id(token string) int32 {
	id, ok := t.ids[token]
	if !ok {
		id = int32(len(t.tokens))
		t.ids[token] = id
		t.tokens = append(t.tokens, token)
	}
	return id
}

// count counts the words of a text.
func (t *bpeTrainer) count(text string) {
	for _, p := range (byteLevelSplit{regex: true}).run(nil, []piece{newPiece(text, false)}) {
		w := t.words[p.s]
		if w == nil {
			w = &trainWord{}
			t.words[strings.Clone(p.s)] = w
		}
		w.count++
	}
}

// learn merges pairs until the vocabulary is full, or until no pair is frequent enough.
func (t *bpeTrainer) learn() {
	for _, s := range slices.Sorted(maps.Keys(t.words)) {
		w := t.words[s]
		for _, r := range s {
			w.tokens = append(w.tokens, t.ids[string(r)])
		}
		for i := range len(w.tokens) - 1 {
			t.add(w, i, 1)
		}
	}
	for p, n := range t.counts {
		t.queue = append(t.queue, queued{p, n})
	}
	heap.Init(&t.queue)
	for len(t.tokens) < t.o.VocabSize && len(t.queue) > 0 {
		top := heap.Pop(&t.queue).(queued)
		switch n := t.counts[top.pair]; {
		case n < t.o.MinFrequency:
		case n != top.count: // by now it is rarer
			heap.Push(&t.queue, queued{top.pair, n})
		default:
			t.merge(top.pair)
		}
	}
}

// add changes the count of the pair at a place in a word by times its number of occurrences.
func (t *bpeTrainer) add(w *trainWord, at, times int) {
	p := tokenPair{w.tokens[at], w.tokens[at+1]}
	t.counts[p] += times * w.count
	if times < 0 {
		return
	}
	if in := t.where[p]; len(in) == 0 || in[len(in)-1] != w {
		t.where[p] = append(in, w)
	}
}

// merge makes a pair one token in all words that have it.
func (t *bpeTrainer) merge(p tokenPair) {
	left, right := t.tokens[p.left], t.tokens[p.right]
	t.merges = append(t.merges, [2]string{left, right})
	id := t.id(left + right)
	words := t.where[p]
	delete(t.where, p)
	fresh := map[tokenPair]bool{}
	for _, w := range words {
		t.mergeIn(w, p, id, fresh)
	}
	delete(t.counts, p)
	for q := range fresh {
		if n := t.counts[q]; n > 0 {
			heap.Push(&t.queue, queued{q, n})
		}
	}
}

// mergeIn merges a pair in a word. It puts the new pairs that result into fresh.
func (t *bpeTrainer) mergeIn(w *trainWord, p tokenPair, id int32, fresh map[tokenPair]bool) {
	for i := 0; i+1 < len(w.tokens); i++ {
		if w.tokens[i] != p.left || w.tokens[i+1] != p.right {
			continue
		}
		if i > 0 {
			t.add(w, i-1, -1)
		}
		if i+2 < len(w.tokens) {
			t.add(w, i+1, -1)
		}
		w.tokens[i] = id
		w.tokens = slices.Delete(w.tokens, i+1, i+2)
		for _, at := range []int{i - 1, i} {
			if at >= 0 && at+1 < len(w.tokens) {
				t.add(w, at, 1)
				fresh[tokenPair{w.tokens[at], w.tokens[at+1]}] = true
			}
		}
	}
}

// queued is a pair, and how often it occurred when it was put into the queue. Since then it can only have become rarer.
type queued struct {
	pair  tokenPair
	count int
}

// pairQueue has the most frequent pair first; of equally frequent pairs, the one with the smaller ids.
type pairQueue []queued

func (q pairQueue) Len() int { return len(q) }

func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q pairQueue) Less(i, j int) bool {
	a, b := q[i], q[j]
	return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.pair.left, b.pair.left), cmp.Compare(a.pair.right, b.pair.right)) < 0
}

func (q *pairQueue) Push(v any) { *q = append(*q, v.(queued)) }

func (q *pairQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
