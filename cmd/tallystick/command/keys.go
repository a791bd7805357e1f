package command

import "github.com/spf13/cobra"

func (a *app) keys() *cobra.Command {
	c := a.group(&cobra.Command{
		Use:   "keys",
		Short: "Make keys, and keep a folder of callers' public keys",
		Long: "Make keys, and keep a folder of callers' public keys. An agent lets in whose public key " +
			"is in its folder as ISSUER.pem, and reads the folder again within a second of a change.",
	})
	c.AddCommand(a.keysNew(), a.keysList(), a.keysAdd(), a.keysRevoke(), a.keysRotate(), a.keysInspect())
	return c
}
