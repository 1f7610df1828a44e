"""What services know of images and their tags, and what follows at once from each fact about one."""
