package command

import (
	"cmp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
)

// keyList is who may call, and what is wrong with the folder.
type keyList struct {
	Dir      string          `json:"dir"`
	Callers  []caller        `json:"callers"`
	Problems []folderProblem `json:"problems"`
}

type caller struct {
	Issuer string      `json:"issuer"`
	File   string      `json:"file"`
	Since  time.Time   `json:"since"`
	Keys   []callerKey `json:"keys"`
}

type callerKey struct {
	KeyID     string         `json:"kid"`
	Algorithm jose.Algorithm `json:"alg"`
	Bits      int            `json:"bits"`
}

func (a *app) keysList() *cobra.Command {
	return &cobra.Command{
		Use:   "list DIR",
		Short: "List who may call, and the problems of a folder of public keys",
		Long: "List who may call: whose public keys an agent reads from the folder, the id and size of each " +
			"key, and since when its file is as it is. Each problem of the folder, also that nobody may call, is told with " +
			"its fix, and ends the command with exit code 3.",
		Example: "tallystick keys list authorized_keys",
		Args:    takes(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := readFolder(args[0])
			if err != nil {
				return err
			}
			list := f.list()
			if err := a.show(list); err != nil {
				return err
			}
			return found(len(list.Problems) > 0)
		},
	}
}

func (f *folder) list() *keyList {
	list := &keyList{Dir: f.dir, Callers: []caller{}, Problems: f.problems}
	if list.Problems == nil {
		list.Problems = []folderProblem{}
	}
	if p := f.nobody(); p != nil {
		list.Problems = append(list.Problems, *p)
	}
	f.set.Issuers(func(name string, issuer authorizedkeys.Issuer) {
		file := f.of(name)[0].Name
		one := caller{Issuer: name, File: file, Since: f.since(file)}
		for _, key := range issuer.Keys {
			public := key.Public
			one.Keys = append(one.Keys, callerKey{cmp.Or(key.ID, public.Thumbprint()), public.Algorithm(), public.Bits()})
		}
		list.Callers = append(list.Callers, one)
	})
	slices.SortStableFunc(list.Problems, func(a, b folderProblem) int { return cmp.Compare(a.Source, b.Source) })
	return list
}

func (l *keyList) words(p *printer) {
	rows := [][]string{{"ISSUER", "KID", "KEY", "SINCE", "FILE"}}
	for _, one := range l.Callers {
		for _, key := range one.Keys {
			kind, since := kindOf(key.Algorithm, key.Bits), one.Since.Format(wordsTime)
			rows = append(rows, []string{one.Issuer, key.KeyID, kind, since, one.File})
		}
	}
	if len(rows) > 1 {
		p.table("", rows)
	}
	for _, problem := range l.Problems {
		p.line(p.paint(red, "problem:")+" %s", problem.Message)
	}
}
