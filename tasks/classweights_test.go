package tasks

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
)

// classifyWith is the task classify on 6 texts of class a, 3 of b and 1 of c.
func classifyWith(t *testing.T, options map[string]any) (*Classify, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "d.csv")
	write(t, path, "text,label\n"+strings.Repeat("x,a\n", 6)+strings.Repeat("y,b\n", 3)+"z,c\n")
	all := map[string]any{"data": path, "eval_size": 0}
	for k, v := range options {
		all[k] = v
	}
	task, err := New("classify", all)
	if err != nil {
		return nil, err
	}
	c := task.(*Classify)
	_, err = c.Head(head.Config{})
	return c, err
}

func TestClassWeights(t *testing.T) {
	for _, c := range []struct {
		option any
		want   []float32 // of a, b and c
	}{
		{nil, nil},
		{"balanced", []float32{10. / 18, 10. / 9, 10. / 3}}, // sklearn.utils.class_weight.compute_class_weight
		{map[string]any{"c": 4, "b": 0.5}, []float32{1, 0.5, 4}},
		{map[string]any{"a": 0}, []float32{0, 1, 1}},
	} {
		options := map[string]any{}
		if c.option != nil {
			options["class_weights"] = c.option
		}
		task, err := classifyWith(t, options)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(task.head.weights, c.want) {
			t.Errorf("%v: got %v, want %v", c.option, task.head.weights, c.want)
		}
		rows, _, err := EncodeAll(byteTokenizer{}, nil, task, Train, 0)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, r := range rows {
			sum += r.LossWeight(1)
		}
		want := 10.0
		if c.want != nil {
			want = 6*float64(c.want[0]) + 3*float64(c.want[1]) + float64(c.want[2])
		}
		if math.Abs(sum-want) > 1e-6 {
			t.Errorf("%v: the rows have weight %g together, want %g", c.option, sum, want)
		}
	}
}

func TestClassWeightsRefuse(t *testing.T) {
	for _, c := range []struct {
		options map[string]any
		want    string
	}{
		{map[string]any{"class_weights": "even"}, `want "balanced" or the weights of classes`},
		{map[string]any{"class_weights": map[string]any{"a": -1}}, "the weight of a is -1"},
		{map[string]any{"class_weights": map[string]any{"d": 1}}, `no class is named "d"`},
		{map[string]any{"class_weights": "balanced", "labels": []string{"a", "b", "c", "d"}}, "the data have none of d"},
		{map[string]any{"class_weights": "balanced", "problem_type": head.MultiLabel}, "for texts with one class"},
	} {
		_, err := classifyWith(t, c.options)
		wantError(t, err, c.want)
	}
}

func TestTokenWeights(t *testing.T) {
	task := tokensOn(t, "d.conll", "a O\nb O\nc O\nd B-X\n", map[string]any{"class_weights": "balanced"})
	rows, _, err := EncodeAll(byteTokenizer{addBOS: true}, nil, task, Train, 0)
	if err != nil || len(rows) != 1 {
		t.Fatalf("got %v, %v", rows, err)
	}
	// The tags are B-X and O; special tokens count for nothing.
	if want := []float32{0, 4. / 6, 4. / 6, 4. / 6, 2}; !slices.Equal(rows[0].Weights, want) && !slices.Equal(rows[0].Weights, append(want, 0)) {
		t.Errorf("weights are %v, want %v", rows[0].Weights, want)
	}
}

// TestNumericNames: where a class has a number for its name, numbers are names.
func TestNumericNames(t *testing.T) {
	for _, c := range []struct {
		names []string
		label string
		want  int32 // -1 where the label is not known
	}{
		{[]string{"1", "2", "3"}, "1", 0}, {[]string{"1", "2", "3"}, "0", -1}, {[]string{"-1", "0", "1"}, "+1", -1}, {[]string{"-1", "0", "1"}, "0", 1},
		{[]string{"neg", "pos"}, "1", 1}, {[]string{"neg", "pos"}, "2", -1}, {[]string{"neg", "1.5"}, "0", -1},
	} {
		got, err := newClassHead(head.Config{Labels: c.names}).id(c.label)
		if (err == nil) != (c.want >= 0) || err == nil && got != c.want {
			t.Errorf("%s of %v: got %d, %v, want %d", c.label, c.names, got, err, c.want)
		}
	}
}
