package data

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestSourceForms(t *testing.T) {
	for _, c := range []struct {
		json, path string
		weight     float64
	}{
		{`"a*b.jsonl"`, "a*b.jsonl", 0}, {`"a.jsonl*2"`, "a.jsonl", 2}, {`"a*b*0.25"`, "a*b", 0.25}, {`["a*1"]`, "a", 1}, {`{"path":"a","weight":3}`, "a", 3},
	} {
		var s Sources
		if err := s.UnmarshalJSON([]byte(c.json)); err != nil || len(s) != 1 || s[0].Path != c.path || s[0].Weight != c.weight {
			t.Errorf("%s: got %+v, %v", c.json, s, err)
		}
	}
	for _, bad := range []string{"7", `[""]`, `{"weight":2}`, `{"path":""}`, `["a",["b"]]`, `"a*-1"`, `"a*1e9"`, `{"path":"a","limit":-1}`} {
		var s Sources
		if err := s.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s: got %+v", bad, s)
		}
	}
}

func TestTrainSize(t *testing.T) {
	two := 2
	for _, c := range []struct {
		s       Source
		n, want int
	}{{Source{}, 5, 5}, {Source{EvalSize: &two}, 5, 3}, {Source{EvalSize: &two}, 2, 0}} {
		if got, err := c.s.TrainSize(c.n); got != c.want || err != nil {
			t.Errorf("of %d: got %d, %v, want %d", c.n, got, err, c.want)
		}
	}
	_, err := Source{Path: "d", EvalSize: &two}.TrainSize(1)
	wantError(t, err, "option eval_size of d is 2, but there are 1 records")
}

// TestPlainKeepsAll: sources that are written as a recipe has them come back as they were, each key of them.
func TestPlainKeepsAll(t *testing.T) {
	n := 3
	all := Source{Path: "a.csv", Weight: 0.5, Index: "i.txt", Field: Paths{"x", "y"}, Limit: 7, Columns: ColumnMapping{"text": "body"}, EvalSize: &n}
	for i := range reflect.TypeFor[Source]().NumField() {
		if reflect.ValueOf(all).Field(i).IsZero() {
			t.Errorf("%s is not tested", reflect.TypeFor[Source]().Field(i).Name)
		}
	}
	for _, want := range []Sources{{all}, {{Path: "a.csv"}, all}, {{Path: "a.csv", Columns: ColumnMapping{"text": "body"}}}, {{Path: "a.csv", Weight: 2}}, nil} {
		raw, err := json.Marshal(want.Plain())
		if err != nil {
			t.Fatal(err)
		}
		var got Sources
		if string(raw) != "null" {
			err = json.Unmarshal(raw, &got)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v (%v), want %+v", raw, got, err, want)
		}
	}
}
