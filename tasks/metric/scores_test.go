package metric

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// scores is testdata/scores.json: random texts, tags and answers with the scores of rouge_score 0.1.2, seqeval 1.2.2 and
// lm-eval 0.4.13 (scripts/golden/scores.py).
type scores struct {
	Rouge []struct {
		Hypothesis, Reference             string
		Rouge1, Rouge2, RougeL, RougeLsum float64
	}
	Entities []struct {
		Scheme          string
		Gold, Predicted []string
		Spans           [][3]any
		F1              float64
	}
	Strict []struct {
		Gold, Predicted []string
		F1              float64
	}
	GSM8K []struct {
		Got, Gold string
		Strict    bool `json:"strict-match"`
		Flexible  bool `json:"flexible-extract"`
	}
	Boxes []struct {
		Text    string
		Content *string
	}
}

func goldenScores(t *testing.T) scores {
	t.Helper()
	raw, err := os.ReadFile("testdata/scores.json")
	if err != nil {
		t.Fatal(err)
	}
	var s scores
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRouge(t *testing.T) {
	for _, c := range some(t, goldenScores(t).Rouge) {
		h, r := []string{c.Hypothesis}, []string{c.Reference}
		for name, kind := range map[string]struct {
			score func(h, r []string) (float64, error)
			want  float64
		}{
			"rouge1":    {func(h, r []string) (float64, error) { return RougeN(1, h, r) }, c.Rouge1},
			"rouge2":    {func(h, r []string) (float64, error) { return RougeN(2, h, r) }, c.Rouge2},
			"rougeL":    {RougeL, c.RougeL},
			"rougeLsum": {RougeLsum, c.RougeLsum},
		} {
			got, err := kind.score(h, r)
			if err != nil {
				t.Fatal(err)
			}
			near(t, fmt.Sprintf("%s of %q and %q", name, c.Hypothesis, c.Reference), got, kind.want, 1)
		}
	}
}

// TestSchemes: the entities of BILOU and BMES are those of IOBES with other letters.
func TestSchemes(t *testing.T) {
	for _, c := range some(t, goldenScores(t).Entities) {
		found, err := FindEntities(c.Predicted)
		if err != nil {
			t.Fatal(err)
		}
		var got [][3]any
		for _, e := range found {
			got = append(got, [3]any{e.Type, float64(e.Start), float64(e.End)})
		}
		if fmt.Sprint(got) != fmt.Sprint(c.Spans) {
			t.Errorf("%s %v: got %v, want %v", c.Scheme, c.Predicted, got, c.Spans)
		}
		s, err := Entities([][]string{c.Predicted}, [][]string{c.Gold})
		if err != nil {
			t.Fatal(err)
		}
		near(t, fmt.Sprint(c.Gold, c.Predicted), s.Micro.F1(), c.F1, 1)
	}
}

func TestStrictBILOU(t *testing.T) {
	for _, c := range some(t, goldenScores(t).Strict) {
		s, err := Entities([][]string{c.Predicted}, [][]string{c.Gold})
		if err != nil {
			t.Fatal(err)
		}
		near(t, fmt.Sprint(c.Gold, c.Predicted), s.Micro.F1(), c.F1, 1)
	}
}

func TestGSM8KFilters(t *testing.T) {
	for _, c := range some(t, goldenScores(t).GSM8K) {
		if got := StrictMatch(c.Got, c.Gold); got != c.Strict {
			t.Errorf("strict: %q against %s is %t, want %t", c.Got, c.Gold, got, c.Strict)
		}
		if got := FlexibleExtract(c.Got, c.Gold); got != c.Flexible {
			t.Errorf("flexible: %q against %s is %t, want %t", c.Got, c.Gold, got, c.Flexible)
		}
	}
}

func TestBoxed(t *testing.T) {
	for _, c := range some(t, goldenScores(t).Boxes) {
		got, ok := Boxed(c.Text)
		if ok != (c.Content != nil) || ok && got != *c.Content {
			t.Errorf("%q: got %q, %t, want %v", c.Text, got, ok, c.Content)
		}
	}
	for text, want := range map[string]string{ // by hand: what lm-eval leaves to LaTeX
		"\\boxed 5": "5", "\\boxed 5.\nx": "5", "\\boxed {6}": "6", "\\boxed  $": "", "\\boxedx": "", "$\\boxed 5$ or \\boxed{7}": "7", "\\fbox 8": "8",
	} {
		if got, ok := Boxed(text); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %t, want %q", text, got, ok, want)
		}
	}
}

func TestRawAnswer(t *testing.T) {
	for text, want := range map[string]string{
		"#### -$18": "-18", "#### - 18": "-18", "#### −18": "-18", "#### $18.00": "18.00", "#### 1,018": "1018", "#### $-18": "-18", "#### +5": "+5",
		"#### x - 2": "-2", "#### 20-2": "20", "#### $ .5": ".5", "#### $9{,}500": "9500", "####": "", "18": "",
	} {
		if got := RawAnswer(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
