package metric

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// tolerance is how far a score may be from the value of the reference package, relative to 1 (BLEU: to 100).
const tolerance = 1e-9

// reference is testdata/golden.json, which scripts/golden/metrics.py made with sacrebleu 2.6.0, rouge_score 0.1.2,
// seqeval 1.2.2, scikit-learn 1.9.1, scipy 1.17.1 and the SQuAD scorer of transformers 4.46.3.
type reference struct {
	BLEU struct {
		Signature string `json:"signature"`
		Cases     []struct {
			Hypotheses []string   `json:"hypotheses"`
			References []string   `json:"references"`
			BLEU       float64    `json:"bleu"`
			Precisions [4]float64 `json:"precisions"`
			BP         float64    `json:"bp"`
			Lengths    [2]int     `json:"lengths"`
		} `json:"cases"`
	} `json:"bleu"`
	Rouge []struct {
		Hypothesis string  `json:"hypothesis"`
		Reference  string  `json:"reference"`
		F          float64 `json:"f"`
	} `json:"rouge"`
	SQuAD []struct {
		Predicted string   `json:"predicted"`
		Gold      []string `json:"gold"`
		Exact     float64  `json:"exact"`
		F1        float64  `json:"f1"`
	} `json:"squad"`
	Entities []struct {
		Gold      [][]string            `json:"gold"`
		Predicted [][]string            `json:"predicted"`
		Spans     [][][3]any            `json:"spans"`
		Types     map[string][4]float64 `json:"types"`
		Micro     [3]float64            `json:"micro"`
		MacroF1   float64               `json:"macro_f1"`
	} `json:"entities"`
	Classes []struct {
		Gold       []int   `json:"gold"`
		Predicted  []int   `json:"predicted"`
		Labels     []int   `json:"labels"`
		Confusion  [][]int `json:"confusion"`
		Accuracy   float64 `json:"accuracy"`
		MacroF1    float64 `json:"macro_f1"`
		WeightedF1 float64 `json:"weighted_f1"`
	} `json:"classes"`
	Labels []struct {
		Gold      [][]bool `json:"gold"`
		Predicted [][]bool `json:"predicted"`
		MicroF1   float64  `json:"micro_f1"`
		MacroF1   float64  `json:"macro_f1"`
		Exact     float64  `json:"exact"`
	} `json:"labels"`
	Regression []struct {
		Gold      []float64 `json:"gold"`
		Predicted []float64 `json:"predicted"`
		Pearson   float64   `json:"pearson"`
		Spearman  float64   `json:"spearman"`
		MSE       float64   `json:"mse"`
	} `json:"regression"`
}

func golden(t *testing.T) reference {
	t.Helper()
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// near compares a score with that of the reference package.
func near(t *testing.T, what string, got, want, scale float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*scale) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// some fails the test if there are no cases.
func some[T any](t *testing.T, all []T) []T {
	t.Helper()
	if len(all) == 0 {
		t.Fatal("no cases")
	}
	return all
}

func TestBLEU(t *testing.T) {
	g := golden(t).BLEU
	if g.Signature != BLEUSignature+"|version:2.6.0" {
		t.Errorf("signature %q, want %q", BLEUSignature, g.Signature)
	}
	for _, c := range some(t, g.Cases) {
		s, err := BLEU(c.Hypotheses, c.References)
		if err != nil {
			t.Fatal(err)
		}
		what := strings.Join(c.Hypotheses, "|")
		near(t, what, s.BLEU, c.BLEU, 100)
		near(t, what+": brevity penalty", s.BrevityPenalty, c.BP, 1)
		for n := range c.Precisions {
			near(t, what+": precision", s.Precisions[n], c.Precisions[n], 100)
		}
		if lengths := [2]int{s.HypothesisLength, s.ReferenceLength}; lengths != c.Lengths {
			t.Errorf("%q: got lengths %v, want %v", what, lengths, c.Lengths)
		}
	}
}

func TestRougeL(t *testing.T) {
	var hypotheses, references []string
	sum := 0.0
	for _, c := range some(t, golden(t).Rouge) {
		f, err := RougeL([]string{c.Hypothesis}, []string{c.Reference})
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.Hypothesis, f, c.F, 1)
		hypotheses, references, sum = append(hypotheses, c.Hypothesis), append(references, c.Reference), sum+c.F
	}
	f, err := RougeL(hypotheses, references)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mean", f, sum/float64(len(references)), 1)
}

func TestSQuAD(t *testing.T) {
	var predicted []string
	var gold [][]string
	var exact, f1 float64
	for _, c := range some(t, golden(t).SQuAD) {
		s, err := SQuAD([]string{c.Predicted}, [][]string{c.Gold})
		if err != nil {
			t.Fatal(err)
		}
		what := c.Predicted + " for " + strings.Join(c.Gold, "|")
		near(t, what+": exact", s.ExactMatch, c.Exact, 1)
		near(t, what+": F1", s.F1, c.F1, 1)
		predicted, gold, exact, f1 = append(predicted, c.Predicted), append(gold, c.Gold), exact+c.Exact, f1+c.F1
	}
	s, err := SQuAD(predicted, gold)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mean exact", s.ExactMatch, exact/float64(len(gold)), 1)
	near(t, "mean F1", s.F1, f1/float64(len(gold)), 1)
}

func TestEntities(t *testing.T) {
	for _, c := range some(t, golden(t).Entities) {
		for i, tags := range c.Gold {
			found, err := FindEntities(tags)
			if err != nil {
				t.Fatal(err)
			}
			var got [][3]any
			for _, e := range found {
				got = append(got, [3]any{e.Type, float64(e.Start), float64(e.End)})
			}
			if !slices.Equal(got, c.Spans[i]) {
				t.Errorf("%v: got %v, want %v", tags, got, c.Spans[i])
			}
		}
		s, err := Entities(c.Predicted, c.Gold)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Types) != len(c.Types) {
			t.Errorf("got types %v, want %v", s.Types, c.Types)
		}
		for kind, want := range c.Types {
			got := s.Types[kind]
			for i, x := range []float64{got.Precision(), got.Recall(), got.F1(), float64(got.Gold)} {
				near(t, kind, x, want[i], 1)
			}
		}
		for i, x := range []float64{s.Micro.Precision(), s.Micro.Recall(), s.Micro.F1()} {
			near(t, "micro", x, c.Micro[i], 1)
		}
		near(t, "macro", s.MacroF1(), c.MacroF1, 1)
	}
}

func TestClasses(t *testing.T) {
	for _, c := range some(t, golden(t).Classes) {
		s, err := NewConfusion(c.Predicted, c.Gold)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Labels, c.Labels) || !slices.EqualFunc(s.Counts, c.Confusion, slices.Equal[[]int]) {
			t.Errorf("got %v %v, want %v %v", s.Labels, s.Counts, c.Labels, c.Confusion)
		}
		near(t, "accuracy", s.Accuracy(), c.Accuracy, 1)
		near(t, "macro F1", s.MacroF1(), c.MacroF1, 1)
		near(t, "weighted F1", s.WeightedF1(), c.WeightedF1, 1)
	}
}

func TestLabels(t *testing.T) {
	for _, c := range some(t, golden(t).Labels) {
		s, err := Labels(c.Predicted, c.Gold)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "micro F1", s.Micro().F1(), c.MicroF1, 1)
		near(t, "macro F1", s.MacroF1(), c.MacroF1, 1)
		near(t, "exact", s.Exact, c.Exact, 1)
	}
}

func TestRegression(t *testing.T) {
	for _, c := range some(t, golden(t).Regression) {
		for _, m := range []struct {
			name string
			f    func(predicted, gold []float64) (float64, error)
			want float64
		}{{"Pearson", Pearson, c.Pearson}, {"Spearman", Spearman, c.Spearman}, {"MSE", MSE, c.MSE}} {
			got, err := m.f(c.Predicted, c.Gold)
			if err != nil {
				t.Fatal(err)
			}
			near(t, m.name, got, m.want, 1)
		}
	}
	large := []float64{1e308, -1e308, 5e307}
	if r, err := Pearson(large, large); err != nil || math.Abs(r-1) > tolerance {
		t.Errorf("large numbers: got %v, %v, want 1", r, err)
	}
}

func TestErrors(t *testing.T) {
	second := func(_ any, err error) error { return err }
	nan := math.NaN()
	tests := []struct {
		name, want string
		err        error
	}{
		{"lengths", "1 predictions for 2 references; want as many", second(BLEU([]string{"a"}, []string{"a", "b"}))},
		{"rouge lengths", "2 predictions for 1 references", second(RougeL([]string{"a", "b"}, []string{"a"}))},
		{"squad lengths", "0 predictions for 1 references", second(SQuAD(nil, [][]string{{"a"}}))},
		{"nothing", "nothing to score", second(NewConfusion[string](nil, nil))},
		{"class", "a class is not a number", second(NewConfusion([]float64{nan}, []float64{1}))},
		{"tag", `sentence 0: predicted: tag 1: "X-PER" is not a tag; want O, or B-, I-, E- or S- and a type`, second(Entities([][]string{{"O", "X-PER"}}, [][]string{{"O", "O"}}))},
		{"gold tag", `sentence 0: gold: tag 0: "" is not a tag`, second(Entities([][]string{{"O"}}, [][]string{{""}}))},
		{"no dash", `"BPER" is not a tag`, second(FindEntities([]string{"BPER"}))},
		{"tags", "sentence 1 has 2 predicted tags and 1 gold ones", second(Entities([][]string{{"O"}, {"O", "O"}}, [][]string{{"O"}, {"O"}}))},
		{"labels", "example 1 has 1 predicted and 2 gold labels; want 2", second(Labels([][]bool{{true, true}, {true}}, [][]bool{{true, true}, {true, true}}))},
		{"not finite", "pair 1: NaN and 2 are not both finite", second(MSE([]float64{1, nan}, []float64{1, 2}))},
		{"equal predictions", "predictions are all equal", second(Pearson([]float64{2, 2}, []float64{1, 2}))},
		{"equal references", "references are all equal", second(Spearman([]float64{1, 2}, []float64{3, 3}))},
	}
	for _, tt := range tests {
		if tt.err == nil || !strings.HasPrefix(tt.err.Error(), "metric: ") || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one with %q", tt.name, tt.err, tt.want)
		}
	}
}
