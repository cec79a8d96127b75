package tasks

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tasks/data"
)

// numbered is a file of n records {"prompt": name+number, "response": "x"}.
func numbered(t *testing.T, dir, name string, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"prompt":"%s%d","response":"x","text":"%s%d","idx":%d}`+"\n", name, i, name, i, i*10)
	}
	path := filepath.Join(dir, name+".jsonl")
	write(t, path, b.String())
	return path
}

// prompts are the first segments of the examples of a split.
func prompts(t *testing.T, task Task, split Split) []string {
	t.Helper()
	var all []string
	for _, ex := range mustCollect(t, task, split) {
		all = append(all, ex.Segments[0].Text)
	}
	return all
}

// TestMix: a weight is how often a record comes, the seed decides the order, and held-out records stay out.
func TestMix(t *testing.T) {
	dir := t.TempDir()
	a, b := numbered(t, dir, "a", 10), numbered(t, dir, "b", 4)
	for _, name := range []string{"instruct", "text"} {
		options := map[string]any{"data": []any{a + "*0.5", map[string]any{"path": b, "weight": 2.5, "eval_size": 2}}, "seed": 3}
		if name == "text" {
			options["eval_fraction"] = 0
		} else {
			options["eval_split"] = "tail"
		}
		got := prompts(t, mustNew(t, name, options), Train)
		count := map[string]int{}
		for _, p := range got {
			count[p]++
		}
		if len(got) != 10 || count["b0"]+count["b1"] != 5 || count["b0"] < 2 || count["b1"] < 2 || count["b2"] != 0 {
			t.Errorf("%s: got %v", name, got)
		}
		for p, n := range count {
			if p[0] == 'a' && n != 1 {
				t.Errorf("%s: %s comes %d times", name, p, n)
			}
		}
		if again := prompts(t, mustNew(t, name, options), Train); !slices.Equal(got, again) {
			t.Errorf("%s: %v the second time %v", name, got, again)
		}
		if slices.IsSorted(got) {
			t.Errorf("%s: not mixed: %v", name, got)
		}
		if held := prompts(t, mustNew(t, name, options), Eval); !slices.Equal(held, []string{"b2", "b3"}) {
			t.Errorf("%s: held out are %v", name, held)
		}
		options["seed"] = 4
		if other := prompts(t, mustNew(t, name, options), Train); slices.Equal(got, other) {
			t.Errorf("%s: another seed gives the same order", name)
		}
		options["data"] = []any{a, b}
		if plain := prompts(t, mustNew(t, name, options), Train); !slices.IsSorted(plain) {
			t.Errorf("%s: without weights the order is %v", name, plain)
		}
	}
	_, err := collect(t, mustNew(t, "text", map[string]any{"data": map[string]any{"path": a, "eval_size": 11}}), Train)
	wantError(t, err, "option eval_size of", "is 11, but there are 10 records")
	_, err = collect(t, mustNew(t, "instruct", map[string]any{"data": map[string]any{"path": a, "eval_size": 11}}), Train)
	wantError(t, err, "option eval_size of", "is 11, but there are 10 records")
}

// TestIndex: an index names records by key, line, field or number.
func TestIndex(t *testing.T) {
	dir := t.TempDir()
	a := numbered(t, dir, "a", 6) // idx 0, 10, … 50
	keys := filepath.Join(dir, "keys.json")
	write(t, keys, "{\n\"p7\": {\"prompt\": \"seven\", \"response\": \"x\"},\n\"p8\": {\"prompt\": \"eight\", \"response\": \"x\"}\n}")
	plain := filepath.Join(dir, "plain.jsonl")
	write(t, plain, `{"prompt":"p0","response":"x"}`+"\n\n"+`{"prompt":"p1","response":"x"}`+"\n")
	index := func(name, text string) string {
		write(t, filepath.Join(dir, name), text)
		return filepath.Join(dir, name)
	}
	for _, c := range []struct {
		what    string
		options map[string]any
		split   Split
		want    []string
	}{
		{"idx", map[string]any{"data": a, "index": index("two.idx", "30\n10\n"), "eval_size": 0}, Train, []string{"a3", "a1"}},
		{"line", map[string]any{"data": plain, "index": index("i.line", "3\n"), "eval_size": 0}, Train, []string{"p1"}},
		{"number", map[string]any{"data": plain, "index": index("n.idx", "1\r\n0"), "eval_size": 0}, Train, []string{"p1", "p0"}},
		{"key", map[string]any{"data": keys, "index": index("k.pmid", "p8\n"), "eval_size": 0}, Train, []string{"eight"}},
		{"evaluation alone", map[string]any{"eval_data": a, "index": index("i.idx", "20")}, Eval, []string{"a2"}},
		{"of data", map[string]any{"data": a, "eval_data": plain, "index": index("i.idx", "20")}, Eval, []string{"p0", "p1"}},
		{"own", map[string]any{"data": a, "eval_data": map[string]any{"path": a, "index": index("j.idx", "40")}, "index": index("i.idx", "20")}, Eval, []string{"a4"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			if got := prompts(t, mustNew(t, "instruct", c.options), c.split); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	for text, want := range map[string]string{
		"7\n": "record 7 of the index", "10\n10": "names record 10 twice", "1 2\n": `e.idx:1: "1 2" is not the name of a record`, "": "e.idx is empty",
	} {
		_, err := collect(t, mustNew(t, "instruct", map[string]any{"data": a, "index": index("e.idx", text)}), Train)
		wantError(t, err, want)
	}
}

// TestTextLayouts: the texts of records that are known, and of fields in lists.
func TestTextLayouts(t *testing.T) {
	for _, c := range []struct {
		what, file, content, want string
		field                     any
	}{
		{"pubmedqa", "d.json", "{\n\"1\": {\"QUESTION\": \"q\", \"CONTEXTS\": [\"a\", \"b\"], \"LONG_ANSWER\": \"c\"}\n}", "a\nb\nc", nil},
		{"pubmedqa in a line", "d.json", `{"1": {"QUESTION": "q", "CONTEXTS": ["a", "b"], "LONG_ANSWER": "c"}}`, "a\nb\nc", nil},
		{"medquad", "d.jsonl", `{"id":"1","qtype":"information","question":"q","answer":"a"}`, "a", nil},
		{"tatqa", "d.json", `[{"table":{"table":[["x"]]},"paragraphs":[{"order":1,"text":"a"},{"order":2,"text":"b"}],"questions":[]}]`, "a\nb", nil},
		{"conll", "d.txt", "-DOCSTART- -X- O O\n\nAn NNP - O\nend NNP - O\n\n", "An end", nil},
		{"own field", "d.json", `[{"text":"t","a":{"b":["x","y"]}}]`, "x\ny", "a.b"},
		{"dotted name", "d.json", `[{"text":"t","a.b":"z"}]`, "z", []string{"a.b", "text"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			write(t, path, c.content)
			source := map[string]any{"path": path}
			if c.field != nil {
				source["field"] = c.field
			}
			want := c.want
			if c.what == "dotted name" {
				want += "\nt"
			}
			if got := prompts(t, mustNew(t, "text", map[string]any{"data": source, "eval_fraction": 0}), Train); !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "d.txt")
	write(t, path, "plain")
	_, err := collect(t, mustNew(t, "text", map[string]any{"data": map[string]any{"path": path, "eval_size": 1}}), Train)
	wantError(t, err, "d.txt is plain text")
	write(t, path+".jsonl", `{"text":"t","a":["x",{"b":1}]}`)
	for field, want := range map[string]string{"a": `field "a" is an object`, "a.b": `field "a" is a string, want an object with b`, "c.d": `field "c.d" is missing`, "text.x": `field "text" is a string`} {
		_, err := collect(t, mustNew(t, "text", map[string]any{"data": path + ".jsonl", "field": field, "eval_fraction": 0}), Train)
		wantError(t, err, "d.txt.jsonl:1: "+want)
	}
}

func TestInstructMore(t *testing.T) {
	const head = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
	dir := t.TempDir()
	seed, flan := filepath.Join(dir, "seed.jsonl"), filepath.Join(dir, "cot.tsv")
	write(t, seed, `{"id":"s","instruction":"Add.","instances":[{"input":"","output":"3"},{"input":"x","output":"y"}],"is_classification":false}`)
	write(t, flan, "Why?\tyes\tSo it is.\n")
	all := mustCollect(t, mustNew(t, "instruct", map[string]any{"data": []string{seed, flan}, "eval_size": 0}), Train)
	for i, want := range []struct{ prompt, answer string }{
		{head + "### Instruction:\nAdd.\n\n### Response:", "3"}, {head + "### Instruction:\nWhy?\n\n### Response:", "So it is.\nThe answer is: yes"},
	} {
		if all[i].Prompt != want.prompt || all[i].Reference != want.answer {
			t.Errorf("got %q, %q, want %+v", all[i].Prompt, all[i].Reference, want)
		}
	}
	chat := mustCollect(t, instruct(t, `{"conversations":[{"from":"system","value":"S"},{"from":"human","value":"U"},{"from":"gpt","value":"A"}]}`), Train)[0]
	if len(chat.Chat) != 3 || chat.Chat[1].Role != "user" || chat.Chat[2].Role != "assistant" || chat.Chat[2].Content != "A" || chat.Reference != "A" {
		t.Errorf("got %+v", chat)
	}
	for content, want := range map[string]string{
		`{"conversations":[{"from":"robot","value":"U"}]}`: `turn 1: from is "robot", want human, gpt, system or tool`,
		`{"conversations":[{"from":"human","value":"U"}]}`: `field "conversations" has no message of role assistant`,
		`{"conversations":7}`:                              `field "conversations" is not a list`,
		`{"instruction":"x","instances":[]}`:               `field "instances" is not a list of at least one`,
		`{"instruction":"x","instances":[{"input":"y"}]}`:  `first instance: field "output" is missing`,
	} {
		_, err := collect(t, instruct(t, content), Train)
		wantError(t, err, "d.jsonl:1: ", want)
	}
}

// TestTSVColumns: a TSV file with names of columns, in which a backslash is a backslash.
func TestTSVColumns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.tsv")
	write(t, path, "prompt\tresponse\na \\n\tb\n")
	if ex := mustCollect(t, mustNew(t, "instruct", map[string]any{"data": path}), Train)[0]; ex.Prompt != `a \n` || ex.Reference != "b" {
		t.Errorf("got %+v", ex)
	}
}

// FuzzParse: whatever the records of a file are, they become examples or errors without a panic.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a\tb\tc\n", "x,y\n1,\"2\n3\"\n", "-DOCSTART- O\n\na O\nb I-X\n", "{\n\"k\": {}\n}", "{\"a\": {\"b\": 1}}",
		"{\"instruction\":\"a\",\"output\":\"b\"}\n{\"instruction\":1}", `{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null}],"tools":[]}`,
		`{"question":"q","answer":"<<1>> #### 1,000"}`, `{"question":"q","choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"B"}`,
	} {
		f.Add(s)
	}
	math, ner := &Math{Form: "metamath"}, &NER{TaggedColumns: newTaggedColumns()}
	parsers := []func(data.Record) (Example, error){parseInstruct, math.parse, parsePubMedQA, parseMedQA, parseMedMCQA, parseSentiment, parseConvFinQA, ner.parse, parseARC}
	f.Fuzz(func(t *testing.T, content string) {
		for _, format := range []data.Format{data.ReadAny, data.ReadCSV, data.ReadTSV} {
			records, err := data.Read(format, "f", strings.NewReader(content))
			if err != nil {
				continue
			}
			for _, r := range records {
				for _, parse := range parsers {
					if ex, err := parse(r); err == nil && len(ex.Segments)+len(ex.Chat) == 0 {
						t.Errorf("%q became %+v", r.Raw, ex)
					}
				}
				_, _ = (&Text{Field: data.Paths{"a.b"}}).text(data.Source{}, r)
			}
		}
		listed(content)
	})
}
