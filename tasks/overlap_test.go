package tasks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSameRows: rows count by their tokens and the tokens' types, not by their labels.
func TestSameRows(t *testing.T) {
	row := func(source string, types []int32, ids ...int32) Features {
		return Features{IDs: ids, Labels: []int32{int32(len(source))}, TokenTypeIDs: types, Source: source}
	}
	train := []Features{row("a", nil, 1, 2, 3), row("bb", nil, 4), row("c", []int32{0, 1}, 5, 6)}
	n, first := SameRows(train, []Features{row("x", nil, 1, 2), row("yyy", nil, 4), row("z", nil, 1, 2, 3), row("w", []int32{1, 1}, 5, 6)})
	if n != 2 || first != "yyy" {
		t.Errorf("%d rows, the first is %s", n, first)
	}
}

// numberWords are the numbers of a range, as words.
func numberWords(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "w%d ", i)
	}
	return b.String()
}

// TestTextOverlap finds runs of 13 words, and no shorter ones, across line ends, punctuation and case.
func TestTextOverlap(t *testing.T) {
	for _, c := range []struct {
		what, train, eval string
		shared, compared  int
		text              string
	}{
		{"nothing", numberWords(0, 100), numberWords(200, 300), 0, 88, ""},
		{"all", numberWords(0, 100), numberWords(0, 100), 88, 88, strings.TrimSpace(numberWords(0, 13))},
		{"12 words", numberWords(0, 100), numberWords(50, 62) + numberWords(200, 203), 0, 3, ""},
		{"14 words", numberWords(0, 100), "x " + numberWords(50, 64) + "y", 2, 4, strings.TrimSpace(numberWords(50, 63))},
		{"another form", numberWords(0, 100), strings.ReplaceAll(strings.ToUpper(numberWords(50, 63)), " ", ",\n"), 1, 1, strings.TrimSpace(numberWords(50, 63))},
		{"short", numberWords(0, 100), "w1 w2", 0, 0, ""},
	} {
		dir := t.TempDir()
		train, eval := filepath.Join(dir, "train.txt"), filepath.Join(dir, "eval.txt")
		write(t, train, c.train)
		write(t, eval, c.eval)
		o, err := TextOverlap(mustNew(t, "text", map[string]any{"data": train, "eval_data": eval}))
		if err != nil || o.Shared != c.shared || o.Compared != c.compared || o.Text != c.text {
			t.Errorf("%s: got %+v, %v", c.what, o, err)
		}
		if c.shared > 0 && o.Source != train+":1" {
			t.Errorf("%s: the source is %s", c.what, o.Source)
		}
	}
}

// TestClassCounts: labels are counted, and the classes of examples without labels.
func TestClassCounts(t *testing.T) {
	task := classifyOn(t, "d.csv", "text,label\na,x\nb,y\nc,x\n", map[string]any{"eval_size": 0})
	counts, err := ClassCounts(task, Train)
	if err != nil || counts["x"] != 2 || counts["y"] != 1 {
		t.Errorf("counted %v, %v", counts, err)
	}
	path := filepath.Join(t.TempDir(), "d.conll")
	write(t, path, "Ann I-PER\nsings O\n\nno O\n")
	counts, err = ClassCounts(mustNew(t, "ner", map[string]any{"data": path, "eval_size": 0}), Train)
	if err != nil || counts["entities"] != 1 || counts["none"] != 1 {
		t.Errorf("counted %v, %v", counts, err)
	}
}

// TestSharedContexts counts held-out questions whose text is trained on, and duplicates.
func TestSharedContexts(t *testing.T) {
	write := func(name string, contexts ...string) string {
		var lines []string
		for i, c := range contexts {
			lines = append(lines, fmt.Sprintf(`{"id": "%d", "question": "What %d?", "context": %q, "answers": {"text": [%q], "answer_start": [0]}}`, i, i, c, c[:3]))
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	task := mustNew(t, "qa", map[string]any{"data": write("train.jsonl", "one text", "two texts", "one text"), "eval_data": write("eval.jsonl", "a new text", "two texts", "one text", "one text ")})
	n, of, first, err := SharedContexts(task)
	if err != nil || n != 2 || of != 4 || !strings.HasSuffix(first, "eval.jsonl:2") {
		t.Errorf("%d of %d, the first in %s (%v); want 2 of 4, line 2", n, of, first, err)
	}
	if n := Duplicates([]Features{{IDs: []int32{1, 2}}, {IDs: []int32{1}}, {IDs: []int32{1, 2}}, {IDs: []int32{1, 2}, TokenTypeIDs: []int32{0, 1}}}); n != 1 {
		t.Errorf("%d duplicates, want 1", n)
	}
}
