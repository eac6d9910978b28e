/* What a compiler warns of: for the problem matcher. */
int main(void)
{
    int unused;
    return 0;
}
