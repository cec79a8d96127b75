package data_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
)

func ExampleStore() {
	opened := 0
	store := data.Store{Open: func(string) (io.ReadCloser, error) { // without Open, paths name files
		opened++
		return io.NopCloser(strings.NewReader("question,answer\nHow many legs has a spider?,eight\nWhat is hot?,the sun\n")), nil
	}}
	for range 3 {
		records, err := store.Records(data.Source{Path: "train.csv"})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(records), records[0].Source(), string(records[0].Raw))
	}
	fmt.Println("opened", opened)
	// Output:
	// 2 train.csv:2 {"answer":"eight","question":"How many legs has a spider?"}
	// 2 train.csv:2 {"answer":"eight","question":"How many legs has a spider?"}
	// 2 train.csv:2 {"answer":"eight","question":"How many legs has a spider?"}
	// opened 1
}

func ExampleRead() {
	_, err := data.Read(data.ReadAny, "d.jsonl", strings.NewReader(`{"a": 1}`+"\n"+`{"a": 2`))
	fmt.Println(err)
	records, err := data.Read(data.ReadAny, "d.json", strings.NewReader(`{"ann": {"age": 7}, "bob": {"age": 8}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range records {
		fmt.Println(r.Key, string(r.Raw))
	}
	// Output:
	// d.jsonl:2: not valid JSON: unexpected end of JSON input
	// ann {"age": 7}
	// bob {"age": 8}
}

// Each format is read by a function of its own; ReadAny and ReadTagged choose one by the name of the file.
func ExampleFormat() {
	for _, c := range []struct {
		format        data.Format
		name, content string
	}{
		{data.ReadJSON, "d", `[{"x": "json"}]`},
		{data.ReadCSV, "d", "x\ncsv"},
		{data.ReadTSV, "d", "x\ty\ntsv\ttwo"},
		{data.CSVColumns("x", "y"), "d", "csv,two"},
		{data.ReadCoNLL, "d", "Ann B-PER\nsings O\n"},
		{data.ReadTagged, "d.jsonl", `{"tokens": ["Ann"], "tags": ["B-PER"]}`},
		{data.ReadSQuAD, "d", `{"data": [{"paragraphs": [{"context": "c", "qas": [{"question": "q", "is_impossible": true}]}]}]}`},
	} {
		records, err := data.Read(c.format, c.name, strings.NewReader(c.content))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(records[0].Source(), string(records[0].Raw))
	}
	// Output:
	// d:1 {"x": "json"}
	// d:2 {"x":"csv"}
	// d:2 {"x":"tsv","y":"two"}
	// d:1 {"x":"csv","y":"two"}
	// d:1 {"tokens":["Ann","sings"],"tags":["B-PER","O"]}
	// d.jsonl:1 {"tokens": ["Ann"], "tags": ["B-PER"]}
	// d:1 {"question":"q","is_impossible":true}
}

func ExampleFields() {
	records, err := data.Read(data.ReadAny, "d.jsonl", strings.NewReader(`{"question": "What is hot?", "answers": "the sun"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	f := records[0].Fields()
	fmt.Println(f.Text("question"))
	answers, level := f.List("answers"), f.Scalar("level")
	fmt.Println(len(answers), level == "", f.Err())
	// Output:
	// What is hot?
	// 0 true field "answers" is a string, want a list of strings; field "level" is missing; the record has answers, question
}

func ExampleObject() {
	o, err := data.ParseObject([]byte(`{"label": ["a", 2], "score": 0.5, "parts": [{"text": "one"}, {"text": "two"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Names(), o.Has("label"), o.IsList("label"), data.TypeName(o["score"]))
	fmt.Println(o.Labels("label"))
	fmt.Println(o.Numbers("score"))
	fmt.Println(o.Texts("parts.text"))
	_, err = o.Text("score")
	fmt.Println(err)
	// Output:
	// label, parts, score true true a number
	// [a 2] <nil>
	// [0.5] <nil>
	// [one two] <nil>
	// field "score" is a number, want a string
}

func ExampleSources() {
	var s data.Sources
	err := json.Unmarshal([]byte(`["a.jsonl", "b.jsonl*0.5", {"path": "c.csv", "eval_size": 10}]`), &s)
	fmt.Println(len(s), s[1].Path, s[1].Weight, *s[2].EvalSize, err)
	fmt.Println(s.Weighted(), s.Unweighted("eval_data"))
	fmt.Println(s[2].TrainSize(100))
	// Output:
	// 3 b.jsonl 0.5 10 <nil>
	// true option eval_data has a weight; only data has
	// 90 <nil>
}

func ExamplePaths() {
	var one, two data.Paths
	err1, err2 := json.Unmarshal([]byte(`"a"`), &one), json.Unmarshal([]byte(`["a", "b"]`), &two)
	fmt.Println(one, two, err1, err2)
	// Output: [a] [a b] <nil> <nil>
}

func ExampleMix() {
	groups := [][]string{{"a1", "a2"}, {"b1", "b2"}}
	fmt.Println(data.Mix(groups, data.Sources{{Path: "a"}, {Path: "b"}}, 1))
	mixed, err := data.Mix(groups, data.Sources{{Path: "a", Weight: 2}, {Path: "b", Weight: 0.5}}, 1)
	fmt.Println(len(mixed), err, len(data.Permutation(5, 1, 0)))
	_, err = data.Mix(groups, data.Sources{{Path: "a"}, {Path: "b", Weight: 0.2}}, 1)
	fmt.Println(err)
	// Output:
	// [a1 a2 b1 b2] <nil>
	// 5 <nil> 5
	// b: weight 0.2 takes none of its records, which are 2; want 0.5 or more
}

func ExampleOpen() {
	f, err := data.Open("embedded:gsm8k/test.jsonl")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	records, err := data.Read(data.ReadAny, "test.jsonl", f)
	fmt.Println(len(records), err)
	_, err = data.Open("embedded:none")
	fmt.Println(err != nil)
	// Output:
	// 60 <nil>
	// true
}
