package tasks

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// TestPrompts compares the prompt and the answer of each task, letter by letter.
func TestPrompts(t *testing.T) {
	for _, c := range []struct{ task, file, data, prompt, want string }{
		{"pubmedqa", "d.json", "{\n \"7\": {\n  \"QUESTION\": \"Is it?\",\n  \"CONTEXTS\": [\"One.\", \"Two.\"],\n  \"LONG_ANSWER\": \"Secret.\",\n  \"final_decision\": \"maybe\"\n }\n}\n",
			"Abstract: One.\nTwo.\nQuestion: Is it?\nAnswer:", " maybe"},
		{"medqa", "d.jsonl", `{"question":"Which?","answer":"that","options":{"B":"that","A":"this","C":"c","D":"d"},"answer_idx":"B"}`,
			"Question: Which?\nA. this\nB. that\nC. c\nD. d\nAnswer:", " B"},
		{"medmcqa", "d.json", `{"question":"Which?","exp":null,"cop":4,"opa":"1","opb":"2","opc":"3","opd":"4","subject_name":"Anatomy","choice_type":"single"}`,
			"Question: Which?\nChoices:\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:", " D"},
		{"sentiment", "d.csv", "text,label\n\"$X - up, \"\"well\"\"\",1\n",
			"$X - up, \"well\"\nQuestion: What is the sentiment of this text? Options: negative, neutral, positive.\nAnswer:", " positive"},
		{"sentiment", "d.jsonl", `{"text":"Down.","label":"negative"}`,
			"Down.\nQuestion: What is the sentiment of this text? Options: negative, neutral, positive.\nAnswer:", " negative"},
		{"convfinqa", "d.json", `[{"questions":["in 2008?","in 2007?","more?","by how much?"],"answer":-0.09709,"text":"some text .","table":"year | x\n2008 | 93\n2007 | 103\n","programs":["ans = 93","ans = 13.4%","ans = 93 > 103","x0 = 93 - 103; ans = x0 / 103"]}]`,
			"some text .\nyear | x\n2008 | 93\n2007 | 103\nQuestion: in 2008?\nAnswer: 93\nQuestion: in 2007?\nAnswer: 0.134\nQuestion: more?\nAnswer: no\nQuestion: by how much?\nAnswer:", "-0.09709"},
		{"ner", "d.txt", "-DOCSTART- -X- O O\n\nAnn NNP - I-PER\nLee NNP - I-PER\nleft VBD - O\nAcme NNP - I-ORG\nBeta NNP - B-ORG\n. . - O\n",
			"Ann Lee left Acme Beta .\nList the entities:", " Ann Lee (PER), Acme (ORG), Beta (ORG)"},
		{"ner", "d.txt", "-DOCSTART- -X- O O\n\nNothing NNP - O\n", "Nothing\nList the entities:", " none"},
	} {
		t.Run(c.task, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			write(t, path, c.data)
			all := mustCollect(t, mustNew(t, c.task, map[string]any{"eval_data": path}), Eval)
			ex := all[0]
			if len(all) != 1 || ex.Prompt != c.prompt || ex.Reference != c.want || ex.Segments[0].Text != c.prompt {
				t.Errorf("got %q, %q\nwant %q, %q", ex.Prompt, ex.Reference, c.prompt, c.want)
			}
			if answer := ex.Segments[1]; strings.TrimSpace(answer.Text) != strings.TrimSpace(c.want) || answer.Text[0] != ' ' || !answer.EOS {
				t.Errorf("the text to train on is %+v", answer)
			}
		})
	}
}

// TestShots: worked examples come from data; the seed draws them, the same for all questions.
func TestShots(t *testing.T) {
	dir := t.TempDir()
	train, test := filepath.Join(dir, "train.csv"), filepath.Join(dir, "test.csv")
	text := "text,label\n"
	for i := range 20 {
		text += "train " + strings.Repeat("i", i) + ",2\n"
	}
	write(t, train, text)
	write(t, test, "text,label\nfirst,0\nsecond,1\n")
	options := map[string]any{"data": train, "eval_data": test, "shots": 3}
	all := mustCollect(t, mustNew(t, "sentiment", options), Eval)
	const ask = "\nQuestion: What is the sentiment of this text? Options: negative, neutral, positive.\nAnswer:"
	shots, ok := strings.CutSuffix(all[0].Prompt, "first"+ask)
	if !ok || strings.Count(shots, ask+" neutral\n\n") != 3 || all[1].Prompt != shots+"second"+ask {
		t.Errorf("got %q and %q", all[0].Prompt, all[1].Prompt)
	}
	options["seed"] = 7
	if other := mustCollect(t, mustNew(t, "sentiment", options), Eval); other[0].Prompt == all[0].Prompt {
		t.Error("another seed draws the same examples")
	}
	if train := mustCollect(t, mustNew(t, "sentiment", options), Train); strings.Count(train[0].Prompt, ask) != 1 {
		t.Errorf("the text to train on has worked examples: %q", train[0].Prompt)
	}
	options["shots"] = 21
	_, err := collect(t, mustNew(t, "sentiment", options), Eval)
	wantError(t, err, "option shots is 21, but data has 20 records")
	_, err = collect(t, mustNew(t, "sentiment", map[string]any{"eval_data": test, "shots": 3}), Eval)
	wantError(t, err, "option shots needs data")
}

// TestShotsInTurn: most sentences have no entity, but every second worked example has one.
func TestShotsInTurn(t *testing.T) {
	train := filepath.Join(t.TempDir(), "d.jsonl")
	write(t, train, strings.Repeat(`{"tokens":["x"],"tags":["O"]}`+"\n", 9)+strings.Repeat(`{"tokens":["Ann"],"tags":["I-PER"]}`+"\n", 2))
	for n, want := range map[int]int{1: 1, 4: 2, 6: 2} {
		ex := mustCollect(t, mustNew(t, "ner", map[string]any{"data": train, "eval_data": train, "shots": n}), Eval)[0]
		if got := strings.Count(ex.Prompt, " Ann (PER)\n\n"); got != want || !strings.HasPrefix(ex.Prompt, "Ann\nList the entities: Ann (PER)\n\n") {
			t.Errorf("%d of %d worked examples have an entity, want %d: %q", got, n, want, ex.Prompt)
		}
	}
}

// TestMedMCQAMulti leaves out questions with several right options.
func TestMedMCQAMulti(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.jsonl")
	const one = `{"question":"q","opa":"1","opb":"2","opc":"3","opd":"4","cop":1,"subject_name":"x","choice_type":"`
	write(t, path, one+"multi\"}\n"+one+"single\"}\n")
	if all := mustCollect(t, mustNew(t, "medmcqa", map[string]any{"eval_data": path}), Eval); len(all) != 1 || all[0].Source != path+":2" {
		t.Errorf("got %+v", all)
	}
}

func TestRecordsRefused(t *testing.T) {
	for _, c := range []struct{ task, data, want string }{
		{"pubmedqa", `{"QUESTION":"q","CONTEXTS":["c"],"final_decision":"perhaps"}`, `field "final_decision" is "perhaps", want yes, no or maybe`},
		{"pubmedqa", `{"QUESTION":"q","CONTEXTS":"c","final_decision":"yes"}`, `field "CONTEXTS" is a string, want a list of strings`},
		{"medqa", `{"question":"q","options":["a"],"answer_idx":"A"}`, `field "options" is not an object`},
		{"medqa", `{"question":"q","options":{"A":"a","C":"c"},"answer_idx":"A"}`, "none named B"},
		{"medqa", `{"question":"q","options":{"A":"a","B":"c"},"answer_idx":"C"}`, `field "answer_idx" is "C", which is not one of the options`},
		{"medmcqa", `{"question":"q","opa":"1","opb":"2","opc":"3","opd":"4","cop":0}`, `field "cop" is 0`},
		{"sentiment", `{"text":"t","label":3}`, `field "label" is "3"`},
		{"convfinqa", `{"text":"t","table":"","questions":["a","b"],"programs":["ans = 1"],"answer":1}`, "2 questions and 1 programs"},
		{"convfinqa", `{"text":"t","table":"","questions":["a"],"programs":["ans = 1"],"answer":"many"}`, `field "answer" is "many", want a number, yes or no`},
		{"convfinqa", `{"text":"t","table":"","questions":["a","b"],"programs":["ans = x0","ans = 1"],"answer":1}`, `program "ans = x0": "x0" is not a number`},
		{"ner", `{"tokens":["a"],"tags":[]}`, "1 words and 0 tags"},
		{"ner", `{"tokens":["a"],"tags":["PER"]}`, `tag "PER" of "a", want O, I-TYPE or B-TYPE`},
	} {
		path := filepath.Join(t.TempDir(), "d.jsonl")
		write(t, path, c.data)
		_, err := collect(t, mustNew(t, c.task, map[string]any{"eval_data": path}), Eval)
		wantError(t, err, "d.jsonl:1: ", c.want)
	}
}

func TestConvFinQAScore(t *testing.T) {
	task := &ConvFinQA{}
	for _, c := range []struct {
		gold, got, extracted string
		want                 float64
	}{
		{"35.8", " 35.8", "35.8", 1}, {"35.8", " $35.80 million", "35.80", 1}, {"35.8", " 60.94 - 25.14 = 35.8", "35.8", 1}, {"35.8", "35.82", "35.82", 0},
		{"35.8", "35.81", "35.81", 0}, {"4000000", "4,000,000.00", "4000000.00", 1}, {"-0.09709", "-0.1", "-0.1", 1}, {"0.375", "37.5%", "37.5%", 1},
		{"1000", "1,00", "1", 0}, {"2", "no number", "", 0}, {"2", "", "", 0}, {"0.5", ".5", ".5", 1},
		{"yes", " Yes, it did", "yes", 1}, {"yes", "yesterday", "yesterday", 0}, {"no", "yes", "yes", 0}, {"no", "", "", 0},
	} {
		ex := Example{Reference: c.gold}
		if got, read := task.Score(ex, c.got), task.ParseAnswer(ex, c.got); got != c.want || read != c.extracted {
			t.Errorf("%q against %s: %g, read %q; want %g, %q", c.got, c.gold, got, read, c.want, c.extracted)
		}
	}
}

func TestNERScore(t *testing.T) {
	task := &NER{}
	gold := Example{Reference: " Ann Lee (PER), Acme (ORG), Acme (ORG)"}
	for _, c := range []struct {
		got  string
		want float64
	}{
		{" Ann Lee (PER), Acme (ORG), Acme (ORG)", 1}, {"Acme (ORG), Ann  Lee (PER), Acme (ORG)", 1}, {"Ann Lee (PER), Acme (ORG)", 0.8},
		{"Ann Lee (ORG)", 0}, {"none", 0}, {"", 0}, {"Ann Lee (PER)", 0.5}, {"Ann Lee (PER) Acme (ORG) and Acme (ORG)", 2.0 / 3},
	} {
		if got := task.Score(gold, c.got); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%q scores %g, want %g", c.got, got, c.want)
		}
	}
	diseases := Example{Reference: " flu (Disease), DNA 1 (Cell_line-2)"}
	for got, want := range map[string]float64{"flu (Disease), DNA 1 (Cell_line-2)": 1, "flu (Disease)": 2.0 / 3, "flu (Chemical), DNA 1 (x)": 0, "garbage": 0, "flu (a disease)": 0} {
		if s := task.Score(diseases, got); math.Abs(s-want) > 1e-12 {
			t.Errorf("%q scores %g, want %g", got, s, want)
		}
	}
	none := Example{Reference: " none"}
	for got, want := range map[string]float64{" none": 1, "nothing": 1, "": 0, "Ann (PER)": 0} {
		if s := task.Score(none, got); s != want {
			t.Errorf("%q scores %g without entities, want %g", got, s, want)
		}
	}
	var answers []Prediction
	for _, text := range []string{"Ann Lee (PER), Bob (PER)", "Acme (ORG)", "none"} {
		answers = append(answers, Prediction{Text: &text})
	}
	metrics, err := task.ComputeMetrics([]Example{gold, none, none}, answers)
	if err != nil || len(metrics) != 3 || metrics[0].Name != "f1" || metrics[1].Name != "precision" || metrics[2].Name != "recall" {
		t.Fatalf("got %v, %v", metrics, err)
	}
	for _, m := range metrics {
		if math.Abs(m.Value-1.0/3) > 1e-12 {
			t.Errorf("got %v, want a third each", metrics)
		}
	}
}

// TestConfusion: the numbers are worked out by hand from scikit-learn's definitions.
func TestConfusion(t *testing.T) {
	var examples []Example
	var answers []Prediction
	for _, p := range []string{"aa", "aa", "ab", "bb", "ba", "ca"} {
		text := p[1:]
		examples, answers = append(examples, Example{Reference: p[:1]}), append(answers, Prediction{Text: &text})
	}
	c, err := confusion(examples, answers)
	if err != nil {
		t.Fatal(err)
	}
	// a: 2 of 4 given, 3 wanted: F1 4/7; b: 1 of 2 given, 2 wanted: 1/2; c: 0.
	for i, got := range []float64{c.Accuracy(), c.MacroF1(), c.WeightedF1()} {
		if want := []float64{0.5, (4.0/7 + 0.5) / 3, (3*4.0/7 + 2*0.5) / 6}[i]; math.Abs(got-want) > 1e-12 {
			t.Errorf("measure %d is %g, want %g", i, got, want)
		}
	}
}

// TestEncodeChoices: prompt and choice are tokenised together where the border allows.
func TestEncodeChoices(t *testing.T) {
	prompt, all, err := EncodeChoices(byteTokenizer{addBOS: true}, nil, Example{Prompt: "Q:"}, []string{" A", " BC"})
	if err != nil {
		t.Fatal(err)
	}
	tok := byteTokenizer{}
	if tok.Decode(prompt, false) != "<s>Q:" || len(all) != 2 || all[1].Text != " BC" || tok.Decode(all[1].IDs, false) != " BC" || tok.Decode(all[0].IDs, false) != " A" {
		t.Errorf("got %v, %v", prompt, all)
	}
	_, all, err = EncodeChoices(pairTokenizer{}, nil, Example{Prompt: "abc"}, []string{"de", "d"})
	if err != nil || len(all[0].IDs) != 1 || len(all[1].IDs) != 1 { // "abc" is ab, c; "abcde" ab, cd, e: no border
		t.Errorf("got %v, %v", all, err)
	}
}

// pairTokenizer has a token for each two bytes.
type pairTokenizer struct{ byteTokenizer }

func (pairTokenizer) Encode(text string, _ bool) []int32 {
	var ids []int32
	for i := 0; i < len(text); i += 2 {
		id := int32(text[i]) << 8
		if i+1 < len(text) {
			id += int32(text[i+1])
		}
		ids = append(ids, id)
	}
	return ids
}

// TestNERColumns reads words and tags from columns and fields that options name, as the task tokens does.
func TestNERColumns(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		file, content string
		options       map[string]any
		err           string
	}{
		{"d.conll", "1 B-PER Ann _\n2 O left _\n", map[string]any{"word_column": 3, "tag_column": 2}, ""},
		{"d.conll", "1 B-PER Ann _\n2 O left _\n", map[string]any{"word_column": -2, "tag_column": "2"}, ""},
		{"d.jsonl", `{"words": ["Ann", "left"], "ner": ["B-PER", "O"]}`, map[string]any{"words_field": "words", "tags_field": "ner"}, ""},
		{"d.jsonl", `{"words": ["Ann", "left"], "ner": ["B-PER", "O"]}`, nil, `field "tokens" is missing`},
		{"d.jsonl", `{"tokens": ["Ann", "left"], "tags": ["NNP", "VBD"], "ner": ["B-PER", "O"]}`, map[string]any{"tags_field": "ner"}, ""},
		{"noending", `{"tokens": ["Ann", "left"], "tags": ["B-PER", "O"]}` + "\n", nil, ""},
		{"columns", "Ann B-PER\nleft O\n", nil, ""},
		{"d.conll", "1 B-PER Ann _\n", map[string]any{"word_column": 9}, "column"},
		{"d.conll", "Ann B-PER\n", map[string]any{"words_field": ""}, "words_field"},
	} {
		path := filepath.Join(dir, tt.file)
		write(t, path, tt.content)
		options := map[string]any{"data": path, "eval_size": 0}
		for k, v := range tt.options {
			options[k] = v
		}
		task, err := New("ner", options)
		var all []Example
		if err == nil {
			all, err = collect(t, task, Train)
		}
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v: got %v, want %q", tt.options, err, tt.err)
			}
			continue
		}
		if err != nil || len(all) != 1 || all[0].Prompt != "Ann left\nList the entities:" || strings.TrimSpace(all[0].Reference) != "Ann (PER)" {
			t.Errorf("%v: got %+v, %v", tt.options, all, err)
		}
	}
}
