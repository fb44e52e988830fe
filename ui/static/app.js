// What every page needs: the theme, times, the live indicator.
