package pipeline_test

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nlpodyssey/cybertron/pkg/tasks/tokenclassification"
	"github.com/nlpodyssey/cybertron/pkg/tasks/zeroshotclassifier"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/pipeline"
)

// TestGoldenPipelines compares with what transformers' pipelines answered.
func TestGoldenPipelines(t *testing.T) {
	for _, dir := range golden.Roots(t, "pipelines") {
		comparePipelines(t, dir)
	}
}

// TestTransformersPipelines compares with the answers of transformers' pipelines on new random models. SPAGOTUNE_TRANSFORMERS
// names a Python with transformers 5, SPAGOTUNE_TRANSFORMERS4 one with transformers 4, which has a pipeline for question
// answering.
func TestTransformersPipelines(t *testing.T) {
	for env, kinds := range map[string][]string{"SPAGOTUNE_TRANSFORMERS": {"tokens", "zeroshot"}, "SPAGOTUNE_TRANSFORMERS4": {"qa"}} {
		t.Run(env, func(t *testing.T) {
			python := os.Getenv(env)
			if python == "" {
				t.Skip(env + " names no Python")
			}
			for seed := range 8 {
				dir := t.TempDir()
				args := append([]string{filepath.Join(golden.Repository(t), "scripts", "golden", "pipelines.py"), dir, strconv.Itoa(seed + 1)}, kinds...)
				if out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				comparePipelines(t, dir)
			}
		})
	}
}

// comparePipelines runs all folders of models with their cases.
func comparePipelines(t *testing.T, root string) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, "*-*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("%s holds no cases: %v", root, err)
	}
	for _, dir := range dirs {
		kind, _, _ := strings.Cut(filepath.Base(dir), "-")
		compare := map[string]func(*testing.T, *pipeline.Base, []byte){"tokens": compareTokens, "zeroshot": compareZeroShot, "qa": compareAnswers}[kind]
		if compare == nil {
			t.Fatalf("%s: no such kind", dir)
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(dir, "cases.json"))
			if err != nil {
				t.Fatal(err)
			}
			b := must[*pipeline.Base](t)(pipeline.Open(t.Context(), dir))
			defer func() { _ = b.Close() }()
			compare(t, b, raw)
		})
	}
}

// decode reads the cases of a file.
func decode[T any](t *testing.T, raw []byte) []T {
	t.Helper()
	var all []T
	if err := json.Unmarshal(raw, &all); err != nil || len(all) < 4 {
		t.Fatalf("%d cases: %v", len(all), err)
	}
	return all
}

// near reports whether two scores are equal but for rounding.
func near(a, b float64) bool { return math.Abs(a-b) < 1e-4 }

func compareTokens(t *testing.T, b *pipeline.Base, raw []byte) {
	type span struct {
		Label      string
		Start, End int
		Score      float64
	}
	c := must[*pipeline.TokenClassifier](t)(b.TokenClassifier(pipeline.Options{}))
	for _, tt := range decode[struct {
		Text     string
		Strategy tokenclassification.AggregationStrategy
		Right    []span
	}](t, raw) {
		r := must[tokenclassification.Response](t)(c.Classify(t.Context(), tt.Text, tokenclassification.Parameters{AggregationStrategy: tt.Strategy}))
		equal := len(r.Tokens) == len(tt.Right)
		for i, got := range r.Tokens {
			if !equal {
				break
			}
			want := tt.Right[i]
			equal = got.Label == want.Label && got.Start == want.Start && got.End == want.End && near(got.Score, want.Score)
			if text := string([]rune(tt.Text)[got.Start:got.End]); got.Text != text {
				t.Errorf("%q: the text is %q, and %q from %d to %d", tt.Text, got.Text, text, got.Start, got.End)
			}
		}
		if !equal {
			t.Errorf("%s, %q:\ngot  %+v\nwant %+v", tt.Strategy, tt.Text, r.Tokens, tt.Right)
		}
	}
}

func compareZeroShot(t *testing.T, b *pipeline.Base, raw []byte) {
	c := must[*pipeline.ZeroShotClassifier](t)(b.ZeroShotClassifier(pipeline.Options{}))
	for _, tt := range decode[struct {
		Text, Template string
		Labels         []string
		Multi          bool
		Right          map[string]float64
	}](t, raw) {
		r := must[zeroshotclassifier.Response](t)(c.Classify(t.Context(), tt.Text, zeroshotclassifier.Parameters{CandidateLabels: tt.Labels, HypothesisTemplate: tt.Template, MultiLabel: tt.Multi}))
		if len(r.Labels) != len(tt.Right) {
			t.Errorf("%d labels, want %d", len(r.Labels), len(tt.Right))
		}
		for i, l := range r.Labels {
			if !near(r.Scores[i], tt.Right[l]) {
				t.Errorf("%q, multi %t: %s has %g, want %g", tt.Text, tt.Multi, l, r.Scores[i], tt.Right[l])
			}
		}
	}
}

func compareAnswers(t *testing.T, b *pipeline.Base, raw []byte) {
	type answer struct {
		Text       string
		Start, End int
		Score      float64
	}
	for _, tt := range decode[struct {
		Question, Context string
		TopK              int  `json:"top_k"`
		MaxAnswerLen      int  `json:"max_answer_len"`
		MaxSeqLen         int  `json:"max_seq_len"`
		DocStride         int  `json:"doc_stride"`
		NoAnswer          bool `json:"handle_impossible_answer"`
		Right             []answer
	}](t, raw) {
		c := must[*pipeline.QuestionAnswerer](t)(b.QuestionAnswerer(pipeline.Options{NoAnswer: tt.NoAnswer}))
		got, err := c.Answer(t.Context(), tt.Question, tt.Context, pipeline.AnswerOptions{TopK: tt.TopK, MaxAnswerLen: tt.MaxAnswerLen, MaxSeqLen: tt.MaxSeqLen, DocStride: tt.DocStride})
		if err != nil {
			t.Fatal(err)
		}
		tt.Right = slices.DeleteFunc(tt.Right, func(a answer) bool { return a.Score == 0 }) // spans that cannot be, which fill up top_k
		equal := len(got) == len(tt.Right)
		for i := 0; equal && i < len(got); i++ {
			want := tt.Right[i]
			equal = got[i].Text == want.Text && got[i].Start == want.Start && got[i].End == want.End && near(got[i].Score, want.Score)
		}
		huge, err := c.Answer(t.Context(), tt.Question, tt.Context, pipeline.AnswerOptions{TopK: math.MaxInt, MaxAnswerLen: math.MaxInt, MaxSeqLen: tt.MaxSeqLen, DocStride: tt.DocStride})
		if err != nil || len(huge) < len(got) {
			t.Errorf("%q in %q: as many answers as there are: %d of %d, %v", tt.Question, tt.Context, len(huge), len(got), err)
		}
		if !equal {
			t.Errorf("%q in %q (%+v):\ngot  %+v\nwant %+v", tt.Question, tt.Context, tt, got, tt.Right)
		}
	}
}
