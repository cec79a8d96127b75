package metric_test

import (
	"fmt"

	"github.com/spagotune/spagotune/tasks/metric"
)

// The tags of CoNLL-2003 are IOB1: an entity begins with I, unless another one of its type is directly before it.
func ExampleEntities() {
	gold := [][]string{{"I-PER", "I-PER", "O", "I-ORG", "B-ORG"}}
	predicted := [][]string{{"I-PER", "I-PER", "O", "I-ORG", "I-ORG"}}
	s, err := metric.Entities(predicted, gold)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("precision %.2f, recall %.2f, F1 %.2f\n", s.Micro.Precision(), s.Micro.Recall(), s.Micro.F1())
	// Output: precision 0.50, recall 0.33, F1 0.40
}

func ExampleFindEntities() {
	found, err := metric.FindEntities([]string{"B-PER", "I-PER", "O", "B-LOC"})
	fmt.Println(found, err)
	_, err = metric.FindEntities([]string{"PER"})
	fmt.Println(err)
	// Output:
	// [{PER 0 2} {LOC 3 4}] <nil>
	// metric: tag 0: "PER" is not a tag; want O, or B-, I-, E- or S- and a type
}

func ExampleNewConfusion() {
	c, err := metric.NewConfusion([]string{"yes", "yes", "no"}, []string{"yes", "no", "no"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Labels, c.Counts)
	fmt.Printf("accuracy %.2f, macro F1 %.2f, recall of %s %.2f\n", c.Accuracy(), c.MacroF1(), c.Labels[0], c.Class(0).Recall())
	// Output:
	// [no yes] [[1 1] [0 1]]
	// accuracy 0.67, macro F1 0.67, recall of no 0.50
}

func ExampleLabels() {
	s, err := metric.Labels([][]bool{{true, false}, {true, true}}, [][]bool{{true, false}, {false, true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("exact %.2f, micro F1 %.2f\n", s.Exact, s.Micro().F1())
	// Output: exact 0.50, micro F1 0.80
}

func ExamplePearson() {
	predicted, gold := []float64{1, 2, 4}, []float64{1, 2, 3}
	p, err1 := metric.Pearson(predicted, gold)
	s, err2 := metric.Spearman(predicted, gold)
	m, err3 := metric.MSE(predicted, gold)
	fmt.Printf("Pearson %.3f, Spearman %.3f, squared error %.3f %v %v %v\n", p, s, m, err1, err2, err3)
	// Output: Pearson 0.982, Spearman 1.000, squared error 0.333 <nil> <nil> <nil>
}

func ExampleSQuAD() {
	s, err := metric.SQuAD([]string{"The Danube river"}, [][]string{{"Danube", "the Danube"}})
	fmt.Printf("exact match %g, F1 %.2f %v\n", s.ExactMatch, s.F1, err)
	// Output: exact match 0, F1 0.67 <nil>
}

func ExampleBLEU() {
	s, err := metric.BLEU([]string{"the cat sat on the mat"}, []string{"the cat sat on a mat"})
	fmt.Printf("%.1f %s %v\n", s.BLEU, metric.BLEUSignature, err)
	// Output: 53.7 nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp <nil>
}

func ExampleRougeL() {
	s, err := metric.RougeL([]string{"the cat sat"}, []string{"The cat sat down."})
	fmt.Printf("%.3f %v\n", s, err)
	// Output: 0.857 <nil>
}

// The final answer of a word problem is found in different ways, and compared as a number or as LaTeX.
func ExampleMetaMathEqual() {
	fmt.Println(metric.MetaMathEqual("So 7/2 of them.\nThe answer is: 7/2", "4"))
	fmt.Println(metric.RawAnswer("40 + 2 = 42\n#### 1,042"), metric.RawEqual("#### 42.0", "42"))
	boxed, _ := metric.Boxed(`It is $\boxed{\frac12}$.`)
	fmt.Println(boxed, metric.EquivalentLaTeX(boxed, "1/2"))
	fmt.Println(metric.LaTeXAnswer(`Well. The answer is: \sqrt3.`))
	fmt.Println(metric.MetaMathAnswer("There is none."))
	// Output:
	// true
	// 1042 true
	// \frac12 true
	// \sqrt3 true
	// 0 false
}

func ExampleRunProgram() {
	fmt.Println(metric.RunProgram("x0 = 60.94 - 25.14; ans = x0 / 25.14"))
	fmt.Println(metric.RunProgram("ans = 3 > 13.4%"))
	fmt.Println(metric.RunProgram("ans = 1 / 0"))
	fmt.Println(metric.FormatNumber(0.1 + 0.2))
	// Output:
	// 1.42403 <nil>
	// yes <nil>
	//  program "ans = 1 / 0": 1 / 0 is not a number
	// 0.3
}
