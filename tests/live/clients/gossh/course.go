// SSH by golang.org/x/crypto: PORT, HOST_KEY, TOKEN, and the files KEY, CERTIFICATE and CERTIFIED in the environment; what
// it found as JSON on standard output.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func signer(name string) ssh.Signer {
	pem, err := os.ReadFile(os.Getenv(name))
	must(err)
	key, err := ssh.ParsePrivateKey(pem)
	must(err)
	return key
}

// certified is the key in CERTIFIED with what `hoopgw ssh-cert` made of it
func certified() ssh.Signer {
	line, err := os.ReadFile(os.Getenv("CERTIFICATE"))
	must(err)
	public, _, _, _, err := ssh.ParseAuthorizedKey(line)
	must(err)
	key, err := ssh.NewCertSigner(public.(*ssh.Certificate), signer("CERTIFIED"))
	must(err)
	return key
}

func connected(user string, rekey uint64, how ...ssh.AuthMethod) *ssh.Client {
	known, _, _, _, err := ssh.ParseAuthorizedKey([]byte(os.Getenv("HOST_KEY")))
	must(err)
	config := &ssh.ClientConfig{User: user, Auth: how, HostKeyCallback: ssh.FixedHostKey(known)}
	config.RekeyThreshold = rekey
	client, err := ssh.Dial("tcp", "127.0.0.1:"+os.Getenv("PORT"), config)
	must(err)
	return client
}

type ran struct {
	Out, Err string
	Status   int
}

func run(client *ssh.Client, command string, input []byte) ran {
	session, err := client.NewSession()
	must(err)
	defer session.Close()
	var out, said bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = bytes.NewReader(input), &out, &said
	err = session.Run(command)
	var exit *ssh.ExitError
	if err != nil && !errors.As(err, &exit) {
		must(err)
	}
	found := ran{out.String(), said.String(), 0}
	if exit != nil {
		found.Status = exit.ExitStatus()
	}
	return found
}

// together runs commands at once on one connection
func together(client *ssh.Client, count int) []string {
	found, all := make([]string, count), sync.WaitGroup{}
	for each := range found {
		all.Add(1)
		go func() {
			defer all.Done()
			found[each] = strings.TrimSpace(run(client, fmt.Sprintf("sleep 0.1; echo %d", each), nil).Out)
		}()
	}
	all.Wait()
	return found
}

// terminal asks for one and gives what a shell shows on it
func terminal(client *ssh.Client) string {
	session, err := client.NewSession()
	must(err)
	defer session.Close()
	must(session.RequestPty("xterm", 24, 80, ssh.TerminalModes{ssh.ECHO: 0}))
	out, err := session.StdoutPipe()
	must(err)
	must(session.Start("tty && stty size"))
	shown, err := io.ReadAll(out)
	must(err)
	must(session.Wait())
	return string(shown)
}

func main() {
	client := connected("web1", 0, ssh.Password(os.Getenv("TOKEN")))
	_, forward := client.Dial("tcp", "127.0.0.1:1")
	_, listen := client.Listen("tcp", "127.0.0.1:0")
	algorithms := client.Conn.(ssh.AlgorithmsConnMetadata).Algorithms()
	big := bytes.Repeat([]byte("0123456789abcdef"), 64*1024)
	rekeyed := connected("web1", 128*1024, ssh.PublicKeys(signer("KEY")))
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"plain":      run(client, "echo in; echo out >&2; exit 7", nil),
		"refused":    run(client, "rm -rf /", nil),
		"together":   together(client, 8),
		"terminal":   terminal(client),
		"forwarded":  forward == nil,
		"listened":   listen == nil,
		"algorithms": []string{algorithms.KeyExchange, algorithms.HostKey, algorithms.Read.Cipher},
		"whole":      run(rekeyed, "cat", big).Out == string(big),
		"by_cert":    run(connected("web1", 0, ssh.PublicKeys(certified())), "echo $HOOPGW_SUBJECT", nil).Out,
		"by_key":     run(rekeyed, "echo $HOOPGW_SUBJECT", nil).Out,
	}))
}
