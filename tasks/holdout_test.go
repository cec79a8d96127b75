package tasks

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDrawnHoldOut: a share of each class is drawn, nothing comes twice or is lost, and the seed decides.
func TestDrawnHoldOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sorted.csv")
	var text strings.Builder
	text.WriteString("text,label\n")
	for i := range 100 {
		fmt.Fprintf(&text, "t%d,%s\n", i, []string{"neg", "pos"}[i/70])
	}
	write(t, path, text.String())
	held := func(options map[string]any) []string {
		t.Helper()
		options["data"] = path
		var all, train []string
		classes := map[string]int{}
		for _, ex := range mustCollect(t, mustNew(t, "classify", options), Eval) {
			all = append(all, ex.Input.Text)
			classes[ex.Reference]++
		}
		for _, ex := range mustCollect(t, mustNew(t, "classify", options), Train) {
			train = append(train, ex.Input.Text)
		}
		if options["eval_split"] != "tail" && (classes["neg"] != 7 || classes["pos"] != 3) {
			t.Errorf("%v: held out are %v", options, classes)
		}
		both := slices.Concat(all, train)
		slices.Sort(both)
		if len(slices.Compact(both)) != 100 || len(all) != 10 {
			t.Errorf("%v: %d held out, %d records in all", options, len(all), len(both))
		}
		return all
	}
	first := held(map[string]any{})
	if again := held(map[string]any{"eval_split": "random"}); !slices.Equal(first, again) {
		t.Errorf("drawn %v, then %v", first, again)
	}
	if other := held(map[string]any{"seed": 1}); slices.Equal(first, other) {
		t.Error("another seed draws the same records")
	}
	if tail := held(map[string]any{"eval_split": "tail"}); tail[0] != "t90" || tail[9] != "t99" {
		t.Errorf("the tail is %v", tail)
	}
	_, err := New("classify", map[string]any{"data": path, "eval_split": "end"})
	wantError(t, err, `option eval_split is "end", want random or tail`)
}

// TestQuotas divides by largest remainder.
func TestQuotas(t *testing.T) {
	for _, c := range []struct {
		counts []int
		n      int
		want   []int
	}{
		{[]int{50, 50}, 10, []int{5, 5}},
		{[]int{1, 60}, 6, []int{0, 6}},
		{[]int{3, 3, 3}, 4, []int{2, 1, 1}},
		{[]int{1, 1, 1}, 3, []int{1, 1, 1}},
		{[]int{7}, 7, []int{7}},
		{[]int{90, 9, 1}, 10, []int{9, 1, 0}},
	} {
		if got := quotas(c.counts, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%d by %v: got %v, want %v", c.n, c.counts, got, c.want)
		}
	}
}

// TestLabelOnlyHeldOut: a label that only held-out records have is a class.
func TestLabelOnlyHeldOut(t *testing.T) {
	task := classifyOn(t, "imb.csv", "text,label\n"+strings.Repeat("a,pos\n", 30)+"b,neg\n", map[string]any{"eval_split": "tail"})
	if _, _, err := EncodeAll(byteTokenizer{}, nil, task, Train, 0); err != nil {
		t.Fatal(err)
	}
	if got := task.head.Labels; !slices.Equal(got, []string{"neg", "pos"}) {
		t.Errorf("the classes are %v", got)
	}
}
