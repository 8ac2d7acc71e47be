"""lvslab's own engine: one small QEMU virtual machine per lab, with ip_vs and Docker in it."""
