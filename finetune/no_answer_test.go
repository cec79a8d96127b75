package finetune

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/tiny"
)

// TestPredictNoAnswer checks that an adapter which was trained on questions without an answer can say so, and that another
// one cannot.
func TestPredictNoAnswer(t *testing.T) {
	const context = `{"data": [{"paragraphs": [{"context": "ann is in ulm", "qas": [{"id": "1", "question": "where is ann", "answers": [{"text": "ulm", "answer_start": 10}]}`
	for name, tt := range map[string]struct {
		data string
		want func(answer string) bool
	}{
		"2.0": {context + `, {"id": "2", "question": "bad film", "is_impossible": true, "answers": []}]}]}]}`, func(a string) bool { return a == "" }},
		"1.1": {context + `]}]}]}`, func(a string) bool { return a != "" }},
	} {
		t.Run(name, func(t *testing.T) {
			h := headCase{task: "qa", file: "d.json", data: tt.data, options: map[string]any{"eval_size": 0}}
			base := tiny.Encoder(t)
			c := h.config(t, base, 80)
			if _, err := Run(t.Context(), c, quiet()); err != nil {
				t.Fatal(err)
			}
			setup, err := infer.ReadModelSetup(c.Save.OutputDir)
			if err != nil || (setup.TaskOptions["version_2_with_negative"] == true) != (name == "2.0") {
				t.Errorf("%s has the options %v, %v", filepath.Base(c.Save.OutputDir), setup.TaskOptions, err)
			}
			s, err := infer.Open(t.Context(), base, c.Save.OutputDir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			p, err := evaluate.Predict(t.Context(), s, "", nil, []evaluate.Input{{Text: "bad film", Pair: "ann is in ulm"}, {Text: "where is ann", Pair: "ann is in ulm"}})
			if err != nil {
				t.Fatal(err)
			}
			if !tt.want(p[0].String()) || p[1].String() != "ulm" {
				t.Errorf("answers %q and %q", p[0], p[1])
			}
		})
	}
}

// TestPredictSaysWhatIsCut checks that predictions about a part of a text say so, and that a long text is tagged to its end.
func TestPredictSaysWhatIsCut(t *testing.T) {
	for _, tt := range []struct {
		name      string
		truncated bool
	}{{"classify", true}, {"tokens", false}} {
		h := headCases[tt.name]
		base := h.base(t)
		c := h.config(t, base, 2)
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		s, err := infer.Open(t.Context(), base, c.Save.OutputDir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		long := ""
		for range s.Model.MaxLength() {
			long += "ann film "
		}
		p, err := evaluate.Predict(t.Context(), s, "", nil, []evaluate.Input{{Text: "ann"}, {Text: long}})
		if err != nil {
			t.Fatal(err)
		}
		if p[0].Truncated || p[1].Truncated != tt.truncated {
			t.Errorf("%s: truncated %t and %t, want false and %t", tt.name, p[0].Truncated, p[1].Truncated, tt.truncated)
		}
		if p, err := evaluate.Predict(t.Context(), s, "", nil, []evaluate.Input{{Text: "\u200b"}, {Text: "ann"}}); tt.name == "tokens" && (err != nil || !slices.Equal(p[0].Labels, []string{"O"}) || len(p[1].Labels) != 1) {
			t.Errorf("a word without a token has the tags %+v, %v", p, err)
		}
		if n := len(p[1].Labels); tt.name == "tokens" && n != 2*s.Model.MaxLength() {
			t.Errorf("%d words are tagged, want %d", n, 2*s.Model.MaxLength())
		}
	}
}
