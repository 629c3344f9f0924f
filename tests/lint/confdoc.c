/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confdoc - print what the option table says: --example as etc/ventus.conf.example,
 * --man as the options of man/ventus.conf.5. Built and run by conf_documented.sh.
 */

#include <stdio.h>
#include <string.h>

#include "lib/conf.h"

int
main(int argc, char **argv)
{
	struct vs_buf out;
	int rc;

	if (argc != 2 || (strcmp(argv[1], "--example") != 0 && strcmp(argv[1], "--man") != 0)) {
		(void)fputs("usage: confdoc --example | --man\n", stderr);
		return 2;
	}
	vs_buf_init(&out, 1 << 20);
	rc = argv[1][2] == 'e' ? vs_conf_print_example(&out) : vs_conf_print_man(&out);
	if (rc == 0 && fputs(vs_buf_str(&out), stdout) == EOF)
		rc = 1;
	vs_buf_fini(&out);
	return rc == 0 && fflush(stdout) == 0 ? 0 : 1;
}
