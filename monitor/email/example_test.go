package email_test

import (
	"fmt"

	"github.com/larder-go/larder/monitor/email"
)

func ExampleNew() {
	mail, err := email.New(email.Options{
		Host: "smtp.example.com", Username: "larder", Password: "secret",
		From: "Redis <redis@example.com>", To: []string{"ops@example.com"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(mail)
	// Output:
	// email to ops@example.com by smtp.example.com
}
