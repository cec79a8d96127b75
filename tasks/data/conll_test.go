package data

import (
	"strings"
	"testing"
)

func TestColumns(t *testing.T) {
	const conllu = "# global.columns = ID FORM UPOS NE\n# text = Ann's in\n1-2\tAnn's\t_\t_\n1\tAnn\tPROPN\tB-PER\n2\t's\tPART\tO\n2.1\tis\tVERB\tO\n3\tin\tADP\tO\n"
	for _, c := range []struct {
		what, name, text string
		columns          Columns
		want             string // the sentences, or an error
	}{
		{"first and last", "d", "Ann NNP B-PER\nsings VB O\n", Columns{}, "Ann/B-PER sings/O"},
		{"by number", "d", "1 Ann NNP B-PER\n2 sings VB O\n", Columns{Word: "2", Tag: "3"}, "Ann/NNP sings/VB"},
		{"from the end", "d", "1 Ann NNP B-PER\n", Columns{Word: "-3", Tag: "-2"}, "Ann/NNP"},
		{"no such column", "d", "Ann O\n", Columns{Tag: "3"}, "d:1: there is no column 3; the line has 2"},
		{"by name in a first line", "d", "\nWord POS Tag\nAnn NNP B-PER\n\nsings VB O\n", Columns{Tag: "POS"}, "Ann/NNP; sings/VB"},
		{"no such name", "d", "Word Tag\nAnn O\n", Columns{Tag: "POS"}, `d:2: no column is named "POS"; they are Word, Tag`},
		{"names and no more", "d", "Word Tag\n", Columns{Tag: "Tag"}, "d has no sentence"},
		{"global.columns", "d.conllu", conllu, Columns{Tag: "NE"}, "Ann/B-PER 's/O in/O"},
		{"CoNLL-U", "d.conllu", "# sent_id = 1\n1\tAnn\tann\tPROPN\t_\t_\t0\troot\t_\t_\n", Columns{Tag: "UPOS"}, "Ann/PROPN"},
		{"MultiCoNER", "d", "# id 52-8 domain=en\nann _ _ B-PER\n\n# id 77 domain=en\nsings _ _ O\n", Columns{}, "ann/B-PER; sings/O"},
		{"GermEval", "d", "#\thttp://x [2005]\n1\tAnn\tB-PER\tO\n2\tsings\tO\tO\n", Columns{Word: "2", Tag: "3"}, "Ann/B-PER sings/O"},
		{"the word #", "d", "# O\n1 O\nhit O\n\n# is O\nAnn B-PER\n# O\n", Columns{}, "#/O 1/O hit/O; Ann/B-PER #/O"},
		{"a hashtag", "d", "#one O\nday O\n", Columns{}, "#one/O day/O"},
		{"a hashtag without a tag", "d", "day O\n\n#one\n", Columns{}, "d:3: 1 columns; want 2"},
		{"comments alone", "d", "# a\n# b\n", Columns{}, "d has no sentence"},
	} {
		records, err := Read(c.columns.Read, c.name, strings.NewReader(c.text))
		var got []string
		for _, r := range records {
			o, err := r.Object()
			if err != nil {
				t.Fatal(err)
			}
			words, _ := o.List("tokens")
			tags, _ := o.List("tags")
			for i := range words {
				words[i] += "/" + tags[i]
			}
			got = append(got, strings.Join(words, " "))
		}
		text := strings.Join(got, "; ")
		if err != nil {
			text = err.Error()
		}
		if !strings.HasPrefix(text, c.want) || err == nil && text != c.want {
			t.Errorf("%s: got %q, want %q", c.what, text, c.want)
		}
	}
}

func TestColumnJSON(t *testing.T) {
	for text, want := range map[string]Column{`3`: "3", `-1`: "-1", `"NE"`: "NE", `""`: ""} {
		var c Column
		if err := c.UnmarshalJSON([]byte(text)); err != nil || c != want {
			t.Errorf("%s: got %q, %v", text, c, err)
		}
	}
	if err := new(Column).UnmarshalJSON([]byte(`[1]`)); err == nil || !strings.Contains(err.Error(), "want the number of a column") {
		t.Errorf("got %v", err)
	}
}

func FuzzColumns(f *testing.F) {
	f.Add("a O\n# b O\n", "1", "-1", "d")
	f.Add("# global.columns = A B\nx y\n", "A", "B", "d.conllu")
	f.Add("#\n", "", "x", "d")
	f.Fuzz(func(t *testing.T, text, word, tag, name string) {
		records, err := Read(Columns{Column(word), Column(tag)}.Read, name, strings.NewReader(text))
		for _, r := range records {
			if o, err := r.Object(); err != nil || !o.Has("tokens", "tags") || r.Line < 1 {
				t.Errorf("%s: %v", r.Raw, err)
			}
		}
		if err == nil && len(records) == 0 {
			t.Error("no record and no error")
		}
	})
}
