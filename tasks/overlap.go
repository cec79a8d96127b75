package tasks

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"strings"
	"unicode"
)

// rowSeed is the seed of the hashes of one process.
var rowSeed = maphash.MakeSeed()

// RowSet is a set of rows, which are told apart by 64-bit hashes of their tokens.
type RowSet map[uint64]struct{}

// Add adds a row. It reports whether a row of the same tokens was there before.
func (s RowSet) Add(row Features) bool {
	h := row.hash()
	_, there := s[h]
	s[h] = struct{}{}
	return there
}

// RowOverlap finds evaluation rows whose tokens are those of a training row, whatever their labels are.
type RowOverlap struct {
	// Shared is how many of the Compared evaluation rows are trained on, and Source where the first of those comes from.
	Shared, Compared int
	Source           string

	eval  []Features
	rows  map[uint64][]int // the evaluation rows that were not found yet
	first int              // the first one that was
}

// NewRowOverlap looks for evaluation rows in the rows that Add is given.
func NewRowOverlap(eval []Features) *RowOverlap {
	o := &RowOverlap{Compared: len(eval), eval: eval, rows: map[uint64][]int{}, first: len(eval)}
	for i, row := range eval {
		h := row.hash()
		o.rows[h] = append(o.rows[h], i)
	}
	return o
}

// Add takes a training row. It reports whether that is an evaluation row that had not been found before.
func (o *RowOverlap) Add(row Features) bool {
	h := row.hash()
	found := o.rows[h]
	if len(found) == 0 {
		return false
	}
	delete(o.rows, h)
	o.Shared += len(found)
	o.first = min(o.first, found[0])
	o.Source = o.eval[o.first].Source
	return true
}

// SameRows counts the evaluation rows whose tokens are those of a training row, whatever their labels are. first is where the
// first of them comes from.
func SameRows(train, eval []Features) (n int, first string) {
	o := NewRowOverlap(eval)
	for _, row := range train {
		o.Add(row)
	}
	return o.Shared, o.Source
}

// SharedContexts counts the questions of the eval split about a text (Input.Pair) that a question of the train split is about, too, out
// of all of them. first is where the first of them comes from.
func SharedContexts(task Task) (n, of int, first string, err error) {
	trained := map[uint64]struct{}{}
	for ex, err := range task.Examples(Train) {
		if err != nil {
			return 0, 0, "", err
		}
		trained[maphash.String(rowSeed, ex.Input.Pair)] = struct{}{}
	}
	for ex, err := range task.Examples(Eval) {
		if err != nil {
			return 0, 0, "", err
		}
		of++
		if _, ok := trained[maphash.String(rowSeed, ex.Input.Pair)]; !ok || ex.Input.Pair == "" {
			continue
		}
		if n++; n == 1 {
			first = ex.Source
		}
	}
	return n, of, first, nil
}

// Duplicates counts the rows whose tokens are those of a row before them.
func Duplicates(rows []Features) int {
	seen := make(RowSet, len(rows))
	for _, row := range rows {
		seen.Add(row)
	}
	return len(rows) - len(seen)
}

// hash is a hash of the row's tokens and of their types.
func (r Features) hash() uint64 {
	var h maphash.Hash
	h.SetSeed(rowSeed)
	_ = binary.Write(&h, binary.LittleEndian, r.IDs) // a hash returns no error
	_ = h.WriteByte(0)
	_ = binary.Write(&h, binary.LittleEndian, r.TokenTypeIDs)
	return h.Sum64()
}

// OverlapWords is how many words in a row make TextOverlap call a text the same, as the authors of GPT-3 did (Brown et al. 2020,
// appendix C).
const OverlapWords = 13

// maxCompared bounds the runs of words that TextOverlap keeps: about 50 bytes each. Of longer texts a part is compared, chosen by the
// runs' hashes.
const maxCompared = 1 << 19

// Overlap is what TextOverlap has found.
type Overlap struct {
	// Shared is how many of the Compared runs of words occur in the training text.
	Shared, Compared int
	// Text is the first of those in the training text, and Source the document that it is in.
	Text, Source string
}

// TextOverlap looks for runs of OverlapWords words of the eval split in the train split. A word is a run of letters and digits; case
// does not count.
func TextOverlap(task Task) (o Overlap, err error) {
	n := 0
	for _, err := range wordRuns(task.Examples(Eval)) {
		if err != nil {
			return o, err
		}
		n++
	}
	one := uint64(1 + n/maxCompared) // of so many runs one is compared
	seen := map[uint64]bool{}        // whether a run occurs in the training text
	if n > 0 {
		for run, err := range wordRuns(task.Examples(Eval)) {
			if err != nil {
				return o, err
			}
			if run.hash%one == 0 {
				seen[run.hash] = false
			}
		}
	}
	if o.Compared = len(seen); o.Compared == 0 {
		return o, nil
	}
	for run, err := range wordRuns(task.Examples(Train)) {
		if err != nil {
			return o, err
		}
		if run.hash%one != 0 {
			continue
		}
		if found, ok := seen[run.hash]; ok && !found {
			seen[run.hash] = true
			if o.Shared++; o.Shared == 1 {
				o.Text, o.Source = run.text(), run.source
			}
		}
	}
	return o, nil
}

// wordRun is OverlapWords words of a document.
type wordRun struct {
	hash   uint64
	source string
	words  []string
}

// text is the words with blanks between them.
func (r wordRun) text() string { return strings.Join(r.words, " ") }

// wordRuns yields the runs of words of documents, by a rolling hash. The words of a run are those of the document: they last until the
// next one.
func wordRuns(documents iter.Seq2[Example, error]) iter.Seq2[wordRun, error] {
	const base = 0x9e3779b97f4a7c15 // odd, and so a permutation of the hashes
	leaving := uint64(1)            // base to the power of the words in a run
	for range OverlapWords {
		leaving *= base
	}
	return func(yield func(wordRun, error) bool) {
		for ex, err := range documents {
			if err != nil {
				yield(wordRun{}, err)
				return
			}
			var last [OverlapWords]uint64 // the hashes of the last words
			words := make([]string, 0, 2*OverlapWords)
			hash, n := uint64(0), 0
			for _, s := range ex.Segments {
				for word := range strings.FieldsFuncSeq(s.Text, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
					if len(words) == cap(words) {
						words = append(words[:0], words[len(words)-OverlapWords+1:]...)
					}
					words = append(words, word)
					h := wordHash(word)
					hash = hash*base + h - leaving*last[n%OverlapWords]
					last[n%OverlapWords] = h
					if n++; n >= OverlapWords && !yield(wordRun{hash, ex.Source, words[len(words)-OverlapWords:]}, nil) {
						return
					}
				}
			}
		}
	}
}

// wordHash is a hash of a word in lower case: FNV-1a (Fowler, Noll and Vo), of characters.
func wordHash(word string) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range word {
		h = (h ^ uint64(unicode.ToLower(c))) * 1099511628211
	}
	return h
}
