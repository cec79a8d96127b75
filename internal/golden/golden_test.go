package golden

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func TestDifferences(t *testing.T) {
	tests := []struct {
		name      string
		got, want []float32
		abs, rel  float64
	}{
		{"same", []float32{1, -2}, []float32{1, -2}, 0, 0},
		{"empty", nil, []float32{}, 0, 0},
		{"largest", []float32{1, -2, 3}, []float32{1.5, -4, 3}, 2, 0.5},
		{"zero wanted", []float32{0, 1}, []float32{0, 0}, 1, math.Inf(1)},
		{"zeros", []float32{0}, []float32{0}, 0, 0},
		{"length", []float32{1}, []float32{1, 2}, math.Inf(1), math.Inf(1)},
		{"NaN got", []float32{nan, 1}, []float32{1, 1}, math.NaN(), math.NaN()},
		{"NaN wanted", []float32{9, 1}, []float32{1, nan}, math.NaN(), math.NaN()},
		{"NaN both", []float32{nan}, []float32{nan}, math.NaN(), math.NaN()},
		{"same infinite", []float32{-inf, 3}, []float32{-inf, 2}, 1, 0.5},
		{"other infinite", []float32{-inf}, []float32{inf}, math.Inf(1), math.Inf(1)},
		{"infinite got", []float32{inf, 1}, []float32{2, 1}, math.Inf(1), math.Inf(1)},
	}
	for _, tt := range tests {
		if got := MaxAbs(tt.got, tt.want); !same(got, tt.abs) {
			t.Errorf("%s: MaxAbs: got %v, want %v", tt.name, got, tt.abs)
		}
		if got := MaxRel(tt.got, tt.want); !same(got, tt.rel) {
			t.Errorf("%s: MaxRel: got %v, want %v", tt.name, got, tt.rel)
		}
	}
}

func same(a, b float64) bool { return a == b || (math.IsNaN(a) && math.IsNaN(b)) }

// recorder is a test that keeps its error message.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.said = fmt.Sprintf(format, args...) }

func TestClose(t *testing.T) {
	tests := []struct {
		got, want []float32
		tol       float64
		relative  bool
		said      string
	}{
		{[]float32{1, 2}, []float32{1, 2}, 0, false, ""},
		{[]float32{1, 2.5}, []float32{1, 2}, 0.5, false, ""},
		{[]float32{1, 2.5}, []float32{1, 2}, 0.25, true, ""},
		{[]float32{1, 2.5}, []float32{1, 2}, 0.4, false, "x: largest difference 0.5, over the tolerance 0.4: at 1 of 2 got 2.5, want 2"},
		{[]float32{1, 2.5}, []float32{1, 2}, 0.2, true, "x: largest relative difference 0.25, over the tolerance 0.2: at 1 of 2 got 2.5, want 2"},
		{[]float32{1}, []float32{1, 2}, math.Inf(1), false, "x: got 1 values, want 2"},
		{[]float32{1, nan}, []float32{1, nan}, math.Inf(1), true, "x: largest relative difference NaN, over the tolerance +Inf: at 1 of 2 got NaN, want NaN"},
		{[]float32{1}, []float32{1}, math.NaN(), false, "x: largest difference 0, over the tolerance NaN: at 0 of 1 got 1, want 1"},
		{nil, nil, 0, true, ""},
	}
	for _, tt := range tests {
		r := &recorder{}
		Close(r, "x", tt.got, tt.want, tt.tol, tt.relative)
		if r.said != tt.said {
			t.Errorf("said %q, want %q", r.said, tt.said)
		}
	}
}

// folders makes empty folders in a new one.
func folders(t *testing.T, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range paths {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(p)), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCasesOfTwoRoots(t *testing.T) {
	a, b := folders(t, "models/llama", "models/bert", "peft/llama/lora"), folders(t, "models/llama", "models/qwen")
	if err := os.WriteFile(filepath.Join(a, "models", "README"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		bases, kind []string
		want        []string // name and folder
		failed      string
	}{
		{[]string{a, b}, []string{"models"}, []string{"bert " + a, "llama " + a, "llama~2 " + b, "qwen " + b}, ""},
		{[]string{a, a}, []string{"models"}, []string{"bert " + a, "llama " + a}, ""},
		{[]string{a, b}, []string{"peft", "llama"}, []string{"lora " + a}, ""},
		{[]string{b}, []string{"peft"}, nil, "golden: no folder peft in "},
		{[]string{b}, []string{"models", "qwen"}, nil, "golden: no case folders in "},
	}
	for _, tt := range tests {
		roots, err := rootsOf(tt.bases, tt.kind)
		var cases []Case
		if err == nil {
			cases, err = casesIn(roots)
		}
		var got []string
		for _, c := range cases {
			name, _, _ := strings.Cut(c.Name, "~")
			base := strings.TrimSuffix(c.Path(), string(filepath.Separator)+filepath.Join(filepath.Join(tt.kind...), name))
			got = append(got, c.Name+" "+base)
		}
		if !reflect.DeepEqual(got, tt.want) || (err != nil) != (tt.failed != "") || (err != nil && !strings.HasPrefix(err.Error(), tt.failed)) {
			t.Errorf("%v: got %v, %v, want %v, %s", tt.kind, got, err, tt.want, tt.failed)
		}
	}
}

func TestRootsAndEnv(t *testing.T) {
	t.Setenv(Env, "")
	roots := Roots(t, "safetensors")
	if len(roots) != 1 || filepath.Base(roots[0]) != "safetensors" {
		t.Errorf("got %v, want the one in testdata/golden", roots)
	}
	extra := folders(t, "safetensors", "kind/one")
	t.Setenv(Env, extra)
	if got, want := Roots(t, "safetensors"), []string{roots[0], filepath.Join(extra, "safetensors")}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := Cases(t, "kind"), []Case{{"one", filepath.Join(extra, "kind", "one")}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	t.Setenv(Env, filepath.Join("testdata", "golden")) // relative: the same as the first
	if got := Roots(t, "safetensors"); !reflect.DeepEqual(got, roots) {
		t.Errorf("got %v, want %v", got, roots)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "io.safetensors")
	err := checkpoint.Write(path, []checkpoint.Tensor{
		checkpoint.F32("loss", []float32{2.5}), checkpoint.I64("input_ids", []int64{3, -100}, 1, 2),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := Open(t, path)
	if got, want := f.Names(), []string{"input_ids", "loss"}; !reflect.DeepEqual(got, want) {
		t.Errorf("names %v, want %v", got, want)
	}
	if !f.Has("loss") || f.Has("logits") {
		t.Error("Has is wrong")
	}
	if got := f.Int(t, "input_ids"); !reflect.DeepEqual(got, []int{3, -100}) {
		t.Errorf("got %v", got)
	}
	if got := f.Shape(t, "input_ids"); !reflect.DeepEqual(got, []int{1, 2}) {
		t.Errorf("got shape %v", got)
	}
	if got := f.Shape(t, "loss"); len(got) != 0 {
		t.Errorf("got shape %v of a scalar", got)
	}
	Close(t, "loss", f.Float32(t, "loss"), []float32{2.5}, 0, false)
}

func TestJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cases.json")
	if err := os.WriteFile(path, []byte(`{"r": 4}`), 0o666); err != nil {
		t.Fatal(err)
	}
	var v struct{ R int }
	JSON(t, path, &v)
	if v.R != 4 {
		t.Errorf("got %v", v)
	}
}
